package skip

/*
#include <skip_client.h>
*/
import "C"

import (
	"context"
	"log/slog"
	"sync"
)

var logging struct {
	sync.Mutex
	// ended is closed when the goroutine that delivers the lines has ended; nil without one.
	ended chan struct{}
	stop  context.CancelFunc
}

// SetLogger sends log lines about the connections of all clients of this process to a logger, or
// stops that with nil: new connections (debug); weaker handshakes with pre-shared keys, and waits
// for a busy Key Provider (info); warnings about connections, and failover to another Key Provider
// (warn). No line contains a secret.
//
// A goroutine with its own thread delivers the lines asynchronously. SetLogger returns after the
// previous logger's goroutine has ended.
func SetLogger(logger *slog.Logger) {
	logging.Lock()
	defer logging.Unlock()
	if logging.ended != nil {
		logging.stop()
		C.skip_log_set_level(C.SKIP_LOG_LEVEL_OFF)
		<-logging.ended
		logging.ended = nil
	}
	if logger == nil {
		return
	}
	// the logger's own level may change at any time
	C.skip_log_set_level(C.SKIP_LOG_LEVEL_DEBUG)
	var ctx context.Context
	ctx, logging.stop = context.WithCancel(context.Background())
	logging.ended = make(chan struct{})
	go write(ctx, logger, logging.ended)
}

func write(ctx context.Context, logger *slog.Logger, ended chan<- struct{}) {
	defer close(ended)
	levels := map[C.skip_log_level]slog.Level{
		C.SKIP_LOG_LEVEL_WARNING: slog.LevelWarn,
		C.SKIP_LOG_LEVEL_INFO:    slog.LevelInfo,
		C.SKIP_LOG_LEVEL_DEBUG:   slog.LevelDebug,
	}
	const minute = 60_000
	for ctx.Err() == nil {
		line := C.skip_log_next(minute)
		if line == nil {
			continue
		}
		level := levels[C.skip_log_line_level(line)]
		message := text(func(length *C.size_t) *C.char { return C.skip_log_line_text(line, length) })
		C.skip_log_line_free(line)
		logger.Log(context.Background(), level, message)
	}
}
