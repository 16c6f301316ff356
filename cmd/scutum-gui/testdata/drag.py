#!/usr/bin/python3
"""A corner of the screen from which a file can be dragged: drag.py FILE"""
import pathlib
import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk

corner = Gtk.Window(type=Gtk.WindowType.POPUP)
corner.set_default_size(60, 40)
corner.move(0, 0)
handle = Gtk.EventBox()
corner.add(handle)
handle.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
handle.drag_source_add_uri_targets()
handle.connect("drag-data-get", lambda _, context, data, info, time: data.set_uris([pathlib.Path(sys.argv[1]).as_uri()]))
handle.connect("drag-begin", lambda _, context: context.connect("action-changed", lambda *_: print("welcome", flush=True)))
corner.connect("map-event", lambda *_: print("ready", flush=True))
corner.add_events(Gdk.EventMask.STRUCTURE_MASK)
corner.show_all()
Gtk.main()
