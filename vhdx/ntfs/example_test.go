package ntfs_test

import (
	"fmt"
	"log"
	"os"

	"github.com/scutum-project/scutum/vhdx/ntfs"
)

// An answer file is put where Windows looks for it when it first starts.
func ExampleEdit() {
	disk, err := os.OpenFile("volume.img", os.O_RDWR, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	info, err := disk.Stat()
	if err != nil {
		log.Fatal(err)
	}
	e, err := ntfs.Edit(disk, info.Size())
	if err != nil {
		log.Fatal(err)
	}
	if err := e.MkdirAll("Windows/Panther"); err != nil {
		log.Fatal(err)
	}
	if err := e.WriteFile("Windows/Panther/unattend.xml", []byte("<unattend/>")); err != nil {
		log.Fatal(err)
	}
	if err := e.Close(); err != nil {
		log.Fatal(err)
	}
}

// What a template's altered segment touches is named by its files.
func ExampleVolume_Owners() {
	disk, err := os.Open("volume.img")
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	v, err := ntfs.Open(disk, 100<<20)
	if err != nil {
		log.Fatal(err)
	}
	owners, err := v.Owners()
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range owners.Of(ntfs.Extent{First: 4000, Count: 16}) {
		path, err := v.Path(o.Record)
		if err != nil {
			path = fmt.Sprintf("MFT record %d", o.Record)
		}
		fmt.Println(path, o.Stream)
	}
}
