package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

extern int64_t goSquare(int64_t);
static void *inThread(void *arg) { *(int64_t *)arg = goSquare(*(int64_t *)arg); return 0; }
static int64_t squareInThread(int64_t n)
{
	pthread_t t;
	if (pthread_create(&t, 0, inThread, &n))
		return -1;
	pthread_join(t, 0);
	return n;
}
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static int64_t held;
static void hold(void) { pthread_mutex_lock(&m); int64_t h = held; usleep(100); held = h + 1; pthread_mutex_unlock(&m); }
static int64_t holds(void) { return held; }
static int readOne(int fd) { char c = 0; return read(fd, &c, 1) == 1 ? c : -1; }
*/
import "C"

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

//export goSquare
func goSquare(n C.int64_t) C.int64_t { runtime.Gosched(); return n * n }

func each(n int, f func(int)) {
	var g sync.WaitGroup
	for i := 0; i < n; i++ {
		g.Add(1)
		go func(i int) { defer g.Done(); f(i) }(i)
	}
	g.Wait()
}

func sum(n int, f func(int) int) int {
	var m sync.Mutex
	total := 0
	each(n, func(i int) { x := f(i); m.Lock(); total += x; m.Unlock() })
	return total
}

// It prints the same on every run.
func main() {
	fmt.Println("callbacks", sum(100, func(i int) int { return int(C.squareInThread(C.int64_t(i))) }))
	each(50, func(int) { C.hold() })
	fmt.Println("mutex", C.holds())
	fmt.Println("read", sum(50, func(i int) int {
		r, w, _ := os.Pipe()
		go func() { time.Sleep(time.Millisecond); w.Write([]byte{byte(i)}) }()
		fd, _ := syscall.Dup(int(r.Fd()))
		defer syscall.Close(fd)
		syscall.SetNonblock(fd, false)
		return int(C.readOne(C.int(fd)))
	}))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b, _ := io.ReadAll(r.Body); w.Write(b) }))
	fmt.Println("http", sum(100, func(i int) int {
		r, err := http.Post(s.URL, "text/plain", io.LimitReader(zeros{}, int64(i*1000)))
		if err != nil {
			fmt.Println(err)
			return -1
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		return len(b)
	}))
	s.Close()
	a, err := net.LookupHost("localhost")
	fmt.Println("lookup", len(a) > 0, err)
	fmt.Println("processes", sum(20, func(i int) int {
		err := exec.Command("sh", "-c", fmt.Sprint("exit ", i)).Run()
		if e, ok := err.(*exec.ExitError); ok {
			return e.ExitCode()
		}
		return 0
	}))
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	for i := 0; i < 20; i++ {
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		<-c
	}
	fmt.Println("signals")
	fmt.Println("locked", sum(20, func(i int) int {
		runtime.LockOSThread()
		t := syscall.Gettid()
		time.Sleep(time.Millisecond)
		if t != syscall.Gettid() {
			return 100
		}
		return 1
	}))
	func() {
		defer func() { fmt.Println("fault", recover()) }()
		var p *int
		*p = 1
	}()
	fmt.Println("garbage", sum(8, func(i int) int {
		n := 0
		for j := 0; j < 200; j++ {
			n += len(make([]byte, 10000+i))
			if j%50 == 0 {
				runtime.GC()
			}
		}
		return n
	}))
	stop := make(chan bool)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	time.Sleep(time.Millisecond)
	close(stop)
	fmt.Println("end")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
