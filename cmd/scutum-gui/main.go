// Command scutum-gui is the desktop of Scutum. It opens the files that it is given.
package main

import (
	"os"

	"fyne.io/fyne/v2/app"

	"github.com/scutum-project/scutum/gui"
)

var version = "development" // set by the linker

func main() {
	gui.New(app.NewWithID("io.github.scutum-project.scutum"), version).Run(os.Args[1:])
}
