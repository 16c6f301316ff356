// Package answerfile makes the answer files that set up the guest of a shielded virtual machine, unattend.xml for Windows
// and cloud-init's user data for Linux, and puts the values of one machine into the substitution strings of such a file.
//
// An answer file is the tenant's and holds secrets; the values come from whoever runs the fabric, who is not trusted with
// them. So a value can fill a place and do nothing else. The package never reads or writes files, never runs anything,
// and does not ask whether a value makes sense to the guest.
package answerfile
