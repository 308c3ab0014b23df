// The work of api.c, by goroutines and channels; output and options as there.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sort"
	"sync"
	"syscall"
	"unsafe"
)

const (
	monotonic      = 1 // CLOCK_MONOTONIC
	processCPUTime = 2 // CLOCK_PROCESS_CPUTIME_ID
)

var clock uintptr = monotonic

func now() float64 {
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&t)), 0)
	return float64(t.Nano())
}

func spawnJoin(n int) {
	for i := 0; i < n; i++ {
		result := make(chan int, 1) // a task's result is taken once
		go func() { result <- 0 }()
		<-result
	}
}

func scopeOfOne(n int) {
	for i := 0; i < n; i++ {
		var scope sync.WaitGroup
		scope.Add(1)
		go func() { scope.Done() }()
		scope.Wait()
	}
}

func pass(n, capacity int) {
	c := make(chan int, capacity)
	go func() {
		for i := 0; i < n; i++ {
			c <- i
		}
	}()
	for i := 0; i < n; i++ {
		<-c
	}
}
func handoff(n int)  { pass(n, 0) }
func buffered(n int) { pass(n, 128) }

func select8(n int) {
	var c [8]chan int
	for i := range c {
		c[i] = make(chan int)
	}
	go func() {
		for i := 0; i < n; i++ {
			c[i&7] <- i
		}
	}()
	for i := 0; i < n; i++ {
		select {
		case <-c[0]:
		case <-c[1]:
		case <-c[2]:
		case <-c[3]:
		case <-c[4]:
		case <-c[5]:
		case <-c[6]:
		case <-c[7]:
		}
	}
}

type key struct{}

func localRead(n int) {
	x, sum := 1, 0
	ctx := context.WithValue(context.Background(), key{}, &x)
	for i := 0; i < n; i++ {
		sum += *ctx.Value(key{}).(*int)
	}
	if sum != n {
		os.Exit(1)
	}
}

func semaphore(n int) {
	tokens := make(chan struct{}, 1)
	for i := 0; i < n; i++ {
		tokens <- struct{}{}
		<-tokens
	}
}

func timeRun(run func(int), n int) float64 {
	begin := now()
	run(n)
	return now() - begin
}

func measure(name string, run func(int), rounds int, roundNs float64) {
	n, took := 64, 0.0
	for took = timeRun(run, n); took < roundNs/4; took = timeRun(run, n) {
		n *= 2
	}
	n = int(float64(n)*roundNs/took)/2*2 + 2
	results := make([]float64, rounds)
	for i := range results {
		results[i] = timeRun(run, n) / float64(n)
	}
	sort.Float64s(results)
	fmt.Printf("%s %.1f ns\n", name, results[rounds/2])
}

func main() {
	rounds := flag.Int("r", 7, "rounds")
	ms := flag.Int("t", 100, "milliseconds of a round")
	byCPU := flag.Bool("c", false, "count CPU time")
	flag.Parse()
	if *byCPU {
		clock = processCPUTime
	}
	wanted := map[string]bool{}
	for _, name := range flag.Args() {
		wanted[name] = true
	}
	for _, w := range []struct {
		name string
		run  func(int)
	}{
		{"spawn_join", spawnJoin}, {"scope_of_one", scopeOfOne}, {"handoff", handoff}, {"buffered", buffered},
		{"select_8", select8}, {"local_read", localRead}, {"semaphore", semaphore},
	} {
		if len(wanted) == 0 || wanted[w.name] {
			measure(w.name, w.run, *rounds, float64(*ms)*1e6)
		}
	}
}
