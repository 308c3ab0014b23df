# Ruby: queues, mutexes, condition variables, timeouts, thread kill and raise, sockets, processes, fibers, monitors, signals, at_exit.
require 'monitor'; require 'socket'; require 'timeout'; require 'tempfile'; require 'open3'
$stdout.sync = true
q, out = Queue.new, Queue.new
t = 8.times.map { Thread.new { while (x = q.pop) != :end; out << x * x; end } }
3000.times { |i| q << i }; 8.times { q << :end }; t.each(&:join)
puts "queue #{out.size.times.sum { out.pop }}"
s = SizedQueue.new(3)
p1 = 4.times.map { Thread.new { 100.times { |i| s << i } } }
puts "sized #{400.times.sum { s.pop }}"; p1.each(&:join)
m, c, turn, n = Mutex.new, ConditionVariable.new, 0, 0
t = 4.times.map { |me| Thread.new { 50.times { m.synchronize { c.wait(m) while turn % 4 != me; turn += 1; n += me; c.broadcast } } } }
t.each(&:join); puts "turns #{n} #{turn}"
puts "timeout #{begin; Timeout.timeout(0.05) { sleep }; rescue Timeout::Error; 'raised'; end}"
k = Thread.new { begin; sleep; ensure; Thread.current[:x] = 1; end }; sleep 0.01 until k.stop?; k.kill; k.join; puts "kill #{k[:x]} #{k.status.inspect}"
r = Thread.new { begin; sleep; rescue ArgumentError => e; e.message; end }; sleep 0.01 until r.stop?; r.raise(ArgumentError, 'hello'); puts "raise #{r.value}"
l = TCPServer.new('127.0.0.1', 0); port = l.addr[1]
srv = Thread.new { 30.times.map { x = l.accept; Thread.new(x) { |y| i = 0; while (a = y.gets); y.write(a.upcase); i += 1; end; y.close; i } }.sum(&:value) }
cl = 30.times.map { Thread.new { y = TCPSocket.new('127.0.0.1', port); i = 20.times.count { |j| y.write("line #{j}\n"); y.gets == "LINE #{j}\n" }; y.close_write; y.read; y.close; i } }
puts "sockets #{cl.sum(&:value)} #{srv.value}"
puts "processes #{8.times.map { |i| Thread.new { o, st = Open3.capture2('sh', '-c', "cat; exit #{i}", stdin_data: 'x' * 100_000); [o.size, st.exitstatus] } }.map(&:value).inspect}"
puts "fork #{8.times.map { |i| Thread.new { pid = fork { Thread.new { exit! i }.join }; Process.wait2(pid)[1].exitstatus } }.map(&:value).inspect}"
mon = Monitor.new; z = 0; 6.times.map { Thread.new { 200.times { mon.synchronize { mon.synchronize { z += 1 } } } } }.each(&:join); puts "monitor #{z}"
got = Queue.new; trap('USR1') { got << 1 }; 10.times { Process.kill('USR1', $$); got.pop }; puts "signals 10"
rd, wr = IO.pipe; th = Thread.new { rd.read }; 100.times { wr.write('y' * 10_000) }; wr.close; puts "pipe #{th.value.size}"
a, b = UNIXSocket.pair; th = Thread.new { IO.select([a], nil, nil, 10) && a.recv(10) }; b.send('hi', 0); puts "select #{th.value}"
closer = Thread.new { begin; a.read(1); rescue IOError => e; e.class; end }; sleep 0.01 until closer.stop?; a.close; puts "close #{closer.value}"
ra = 3.times.map { |i| Ractor.new(i) { |x| (1..1000).sum * x } }.map(&:take); puts "ractors #{ra}"
GC.stress = false; puts "gc #{4.times.map { Thread.new { 20.times { 2000.times.map { |i| 's' * (i % 50) }; GC.start }; 1 } }.sum(&:value)}"
at_exit { puts 'at_exit' }
Thread.new { exit 3 }.join
