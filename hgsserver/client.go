package hgsserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
)

// A Client speaks to the administration API, over a socket or over TLS.
type Client struct {
	url     string // that paths are appended to
	http    *http.Client
	explain func(error) error // says what to do where there was no answer
}

// NewClient makes a client of the service with a socket. Nothing is asked yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	explain := func(err error) error {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("the socket %s is not for you: be who runs the service, or root", socket)
		}
		if errors.Is(err, io.EOF) {
			return errors.New("the service broke off its answer: its log says why")
		}
		return fmt.Errorf("no service answers at the socket %s: is \"hgs serve\" running? (%w)", socket, errors.Unwrap(err))
	}
	return &Client{"http://hgs", &http.Client{Transport: &http.Transport{DialContext: dial}}, explain}
}

// maxAnswer bounds an answer, in bytes: a report with the most entries.
const maxAnswer = 256 << 20

// Do sends a message, where there is one, and reads the answer into another one.
func (c *Client) Do(ctx context.Context, method, path string, message, answer any) error {
	body, err := c.Stream(ctx, method, path, message)
	if err != nil {
		return err
	}
	defer body.Close()
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("reading the answer of the service: %w", err)
	}
	return nil
}

// Stream sends a message and gives the body of the answer, which is to be closed.
func (c *Client) Stream(ctx context.Context, method, path string, message any) (io.ReadCloser, error) {
	var body io.Reader
	if message != nil {
		text, err := json.Marshal(message)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(r)
	switch {
	case err != nil && ctx.Err() == nil:
		return nil, c.explain(err)
	case err != nil:
		return nil, err
	case response.StatusCode == http.StatusOK:
		return response.Body, nil
	}
	defer response.Body.Close()
	var refused apiError
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&refused); err != nil || refused.Error == "" {
		return nil, fmt.Errorf("what answers there is not the administration of this version: %s", response.Status)
	}
	return nil, errors.New(refused.Error)
}
