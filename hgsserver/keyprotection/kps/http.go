package kps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// contentType is that of all messages. The specification leaves it open.
const contentType = "application/xml; charset=utf-8"

// ReadRequest reads a request of at most MaxMessage bytes. It fails with ErrMessage, or where the body cannot be read.
func ReadRequest(w http.ResponseWriter, r *http.Request) (*Request, error) {
	if kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Header.Get("Content-Type") != "" &&
		(err != nil || kind != "application/xml" && kind != "text/xml" || !isUTF8(params["charset"])) {
		return nil, invalid("its content type is %.64q, not application/xml in UTF-8", r.Header.Get("Content-Type"))
	}
	const usual = 32 << 10 // bytes
	body := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), usual)+bytes.MinRead))
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, MaxMessage)); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, invalid("it has more than %d bytes", MaxMessage)
		}
		return nil, fmt.Errorf("reading a request to roll a transport key: %w", err)
	}
	return ParseRequest(body.Bytes())
}

func isUTF8(charset string) bool { return charset == "" || strings.EqualFold(charset, "utf-8") }

// WriteDocument answers with a document: a response, or metadata.
func WriteDocument(w http.ResponseWriter, document []byte) { write(w, http.StatusOK, document) }

// WriteError answers with an error.
func WriteError(w http.ResponseWriter, e *Error) { write(w, e.Status(), e.Bytes()) }

func write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // where the client is gone, there is nobody to tell
}

// Roll sends a request to the service at an address, such as http://hgs.example.com, and gives its response. An answer with
// another status than 200 is an *Error where it has the form of one.
func Roll(ctx context.Context, client *http.Client, server string, v Version, r *Request) (*Response, error) {
	response, err := roll(ctx, client, strings.TrimRight(server, "/")+v.Path(), r)
	if err != nil {
		return nil, fmt.Errorf("rolling a transport key at %s: %w", server, err)
	}
	return response, nil
}

func roll(ctx context.Context, client *http.Client, address string, r *Request) (*Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(r.Bytes()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxMessage+1))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return ParseResponse(body)
	}
	if refusal, err := ParseError(body); err == nil {
		return nil, refusal
	}
	return nil, fmt.Errorf("the server answers with status %d and no error of a key protection service: is the address right?", answer.StatusCode)
}
