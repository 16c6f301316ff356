// Package signing protects template disks with volume signature catalogs.
//
// A catalog lists the partitions of a disk and the SHA-256 of every segment of each; it is signed as CMS SignedData and
// lies in the metadata of the VHDX file that it describes, or beside it as a .vsc file. SignTemplate makes one, Parse and
// Embedded read one, Verify says what of a disk is no longer as it was signed, Trust whether the signer is somebody to
// believe, and a VolumeReader hands out the bytes of a volume only after they were found to match. These are three
// separate answers: a catalog that parses has a good signature, by whomever; its signer may be trusted, whatever the disk
// holds; and a disk may match a catalog that nobody trusts.
//
// An Identity is the key and certificate to sign with, from PFX or PEM, or made for a lab.
//
// Hashing reads only what the container says is stored, so its cost grows with the data and not with the size of the
// disk. It holds at most 64 MiB whatever that size: one chunk of 256 KiB for each of at most 64 readers, 100 bytes for
// each MiB of a segment, and the catalog, at most 1 MiB, a few times over.
//
// The package never writes to a partition, never changes a file that it fails to sign, and never opens a network connection.
// Where Trust asks for the system's roots, Windows and macOS themselves judge the certificates, and may ask the network for
// missing ones. Trust never asks whether a certificate was revoked.
package signing
