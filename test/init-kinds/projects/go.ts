import { goBase } from '../bases/go.ts'
import type { Project } from '../project.ts'

export const GO_PROJECTS: readonly Project[] = [
  {
    name: 'go',
    bases: [goBase],
    readiness: '{ path: /healthz }',
    prepare: [['go', 'mod', 'tidy']],
    files: {
      'go.mod': 'module example.com/hello\n\ngo 1.26\n\nrequire github.com/go-chi/chi/v5 v5.2.3\n',
      'cmd/hello/main.go': `package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-chi/chi/v5"
)

func main() {
	r := chi.NewRouter()
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		if os.Getenv("BROKEN") != "" {
			w.WriteHeader(500)
		}
		fmt.Fprintf(w, "hello from %d", os.Getuid())
	})
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("BROKEN") != "" {
			w.WriteHeader(500)
		}
	})
	server := &http.Server{Addr: ":" + os.Getenv("PORT"), Handler: r}
	ending, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	go func() {
		<-ending.Done()
		server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		panic(err)
	}
	<-ending.Done()
}
`,
    },
  },
]
