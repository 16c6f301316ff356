package store

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A backup is a header and chunks. The header is the magic text, which ends in a line break, and a salt, which with the password
// gives a key for this file alone. A chunk is AES-256-GCM over 65,536 bytes, the last one over 1 to so many. The nonce is the
// number of the chunk in 11 bytes, and a byte that is 1 for the last; the additional data is the header.
const (
	magic      = "scutum-hgs-backup-1\n"
	headerSize = len(magic) + saltSize
	chunkSize  = 64 << 10
)

// ErrBackup says that a file is not a backup, or not as it was written, or that the password is wrong.
var ErrBackup = errors.New("not a backup, or damaged, or the password is wrong")

type chunks struct {
	aead   cipher.AEAD
	header []byte
	number uint64
}

func newChunks(header, password []byte) *chunks {
	key := derive(password, header[len(magic):])
	defer clear(key)
	return &chunks{aead: newGCM(key), header: header}
}

func (c *chunks) nonce(last bool) []byte {
	nonce := make([]byte, nonceSize)
	binary.BigEndian.PutUint64(nonce[3:], c.number)
	c.number++
	if last {
		nonce[nonceSize-1] = 1
	}
	return nonce
}

// A chunkWriter encrypts what is written to it. Without Close, the file has no end and is not read.
type chunkWriter struct {
	*chunks
	w   io.Writer
	buf []byte
}

func newChunkWriter(w io.Writer, password []byte) (*chunkWriter, error) {
	if len(password) == 0 {
		return nil, errNoPassphrase
	}
	header := append([]byte(magic), make([]byte, saltSize)...)
	_, _ = rand.Read(header[len(magic):])
	if _, err := w.Write(header); err != nil {
		return nil, err
	}
	return &chunkWriter{newChunks(header, password), w, make([]byte, 0, chunkSize+tagSize)}, nil
}

func (c *chunkWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if len(c.buf) == chunkSize {
			if err := c.flush(false); err != nil {
				return written, err
			}
		}
		n := min(len(p), chunkSize-len(c.buf))
		c.buf = append(c.buf, p[:n]...)
		p, written = p[n:], written+n
	}
	return written, nil
}

func (c *chunkWriter) flush(last bool) error {
	sealed := c.aead.Seal(c.buf[:0], c.nonce(last), c.buf, c.header)
	_, err := c.w.Write(sealed)
	c.buf = c.buf[:0]
	return err
}

func (c *chunkWriter) Close() error { return c.flush(true) }

// A chunkReader gives the bytes of a chunk after it was authenticated, and io.EOF after the last chunk alone.
type chunkReader struct {
	*chunks
	r    *bufio.Reader
	buf  []byte
	rest []byte
	last bool
}

func newChunkReader(r io.Reader, password []byte) (*chunkReader, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(r, header); err != nil && !isEnd(err) {
		return nil, err
	} else if err != nil || !bytes.HasPrefix(header, []byte(magic)) {
		return nil, fmt.Errorf("%w: it does not begin with %q", ErrBackup, magic)
	}
	return readChunks(r, newChunks(header, password)), nil
}

func readChunks(r io.Reader, c *chunks) *chunkReader {
	return &chunkReader{chunks: c, r: bufio.NewReaderSize(r, chunkSize+tagSize), buf: make([]byte, chunkSize+tagSize)}
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func (c *chunkReader) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.last {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *chunkReader) next() error {
	n, err := io.ReadFull(c.r, c.buf)
	if err != nil && !isEnd(err) {
		return err
	}
	if _, err := c.r.Peek(1); err != nil {
		if !isEnd(err) {
			return err
		}
		c.last = true
	}
	number := c.number
	plain, err := c.aead.Open(c.buf[:0], c.nonce(c.last), c.buf[:n], c.header)
	if err != nil {
		return fmt.Errorf("%w (at chunk %d)", ErrBackup, number)
	}
	c.rest = plain
	return nil
}
