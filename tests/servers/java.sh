#!/bin/bash
# OpenJDK: thread per connection; safepoints (garbage collections under load), locks, parks, a thread dump (SIGQUIT), stop by SIGTERM with a shutdown hook
NAME=java
LIB=$(cd "$(dirname "$0")/lib" && pwd)
. "$LIB/prelude.sh"
need javac java
P=$(port)
cat >"$T/Srv.java" <<'J'
import java.io.*;
import java.net.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.*;

public class Srv {
    static final Object tick = new Object();
    static long ticks;
    static final ReentrantLock lock = new ReentrantLock();
    static final Map<Long, Integer> seen = new HashMap<>();
    static final ExecutorService pool = Executors.newFixedThreadPool(8);
    static final ThreadLocal<int[]> count = ThreadLocal.withInitial(() -> new int[1]);

    static byte[] line(InputStream in) throws IOException {
        ByteArrayOutputStream b = new ByteArrayOutputStream();
        for (int c; (c = in.read()) >= 0; ) {
            b.write(c);
            if (c == '\n')
                return b.toByteArray();
        }
        return null;
    }
    static byte[] through(byte[] b, int turn) throws Exception {
        switch (turn % 4) {
        case 0: return pool.submit(() -> b.clone()).get(10, TimeUnit.SECONDS);
        case 1:
            synchronized (tick) {
                long was = ticks;
                while (ticks == was)
                    tick.wait(10000);
            }
            return b;
        case 2: {
            byte[][] out = new byte[1][];
            Thread t = new Thread(() -> { LockSupport.parkNanos(1000000); out[0] = b.clone(); });
            t.start();
            t.join();
            return out[0];
        }
        default:
            lock.lock();
            try {
                seen.merge(Thread.currentThread().getId(), 1, Integer::sum);
            } finally {
                lock.unlock();
            }
            byte[][] garbage = new byte[16][];
            for (int i = 0; i < garbage.length; i++)
                garbage[i] = new byte[20000];
            garbage[15][0] = b[0];
            return b;
        }
    }
    static int depth(int n) { return depth(n + 1) + 1; }
    static void serve(Socket s) {
        try (s) {
            s.setTcpNoDelay(true);
            s.setSoTimeout(60000);
            InputStream in = new BufferedInputStream(s.getInputStream());
            for (byte[] b; (b = line(in)) != null; )
                s.getOutputStream().write(through(b, count.get()[0]++));
        } catch (Exception e) {
            System.out.println("error " + e);
        }
    }
    public static void main(String[] a) throws Exception {
        Thread t = new Thread(() -> {
            for (;;) {
                try { Thread.sleep(10); } catch (InterruptedException e) { return; }
                synchronized (tick) { ticks++; tick.notifyAll(); }
            }
        });
        t.setDaemon(true);
        t.start();
        try { depth(0); } catch (StackOverflowError e) { System.out.println("stack overflow caught"); }
        try { Object o = a.length > 99 ? a : null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null caught"); }
        Thread sleeper = new Thread(() -> { try { Thread.sleep(60000); } catch (InterruptedException e) { System.out.println("interrupted"); } });
        sleeper.start();
        sleeper.interrupt();
        sleeper.join();
        Thread gc = new Thread(() -> { for (;;) { try { Thread.sleep(100); } catch (InterruptedException e) { return; } System.gc(); } });
        gc.setDaemon(true);
        gc.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("shutdown hook")));
        ServerSocket l = new ServerSocket();
        l.setReuseAddress(true);
        l.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0])), 512);
        System.out.println("ready");
        for (;;) {
            Socket s = l.accept();
            new Thread(() -> serve(s)).start();
        }
    }
}
J
(cd "$T" && javac Srv.java >build.log 2>&1) || die "build: $(head -1 "$T/build.log")"
start java -XX:+UseSerialGC -Xmx256m -XX:TieredStopAtLevel=1 -Xss512k -XX:-UsePerfData -Djava.io.tmpdir="$T" -cp "$T" Srv "$P"
up "$P" 40
idle echo "$P"
client echo echo "$P" -c 200 -n 12
kill -QUIT "$SP"
for ((i = 0; i < 200; i++)); do grep -q 'Full thread dump' "$T/server.log" && break; sleep 0.05; done
client echo2 echo "$P" -c 50 -n 4
stop TERM 20
for w in 'stack overflow caught' 'null caught' interrupted 'Full thread dump' 'shutdown hook'; do
  grep -q "$w" "$T/server.log" || die "missing: $w"
done
[ "$RC" = 143 ] || die "exit status $RC"
! grep -q '^error' "$T/server.log" || die "$(grep -m1 '^error' "$T/server.log")"
ok
