using System; using System.Threading; using System.Threading.Tasks; using System.Net; using System.Net.Sockets; using System.Linq; using System.Text;
class T { static void Main() {
 int n = 0; var ts = Enumerable.Range(0, 40).Select(i => new Thread(() => { for (int k = 0; k < 2000; k++) { var a = new byte[500]; Interlocked.Add(ref n, a.Length / 500); } })).ToList(); ts.ForEach(t => t.Start()); ts.ForEach(t => t.Join()); Console.WriteLine(n);
 Console.WriteLine(Enumerable.Range(0, 10000).AsParallel().Select(x => (long)x * x).Sum()); GC.Collect(); GC.WaitForPendingFinalizers();
 var l = new TcpListener(IPAddress.Loopback, 0); l.Start(); new Thread(() => { for (;;) { var c = l.AcceptTcpClient(); new Thread(() => { var s = c.GetStream(); var b = new byte[100]; int r; while ((r = s.Read(b, 0, 100)) > 0) s.Write(b, 0, r); c.Close(); }).Start(); } }) { IsBackground = true }.Start();
 int ok = 0; Parallel.For(0, 30, i => { using (var c = new TcpClient("127.0.0.1", ((IPEndPoint)l.LocalEndpoint).Port)) { var s = c.GetStream(); var b = Encoding.ASCII.GetBytes("m" + i); s.Write(b, 0, b.Length); var o = new byte[100]; int r = s.Read(o, 0, 100); if (Encoding.ASCII.GetString(o, 0, r) == "m" + i) Interlocked.Increment(ref ok); } }); Console.WriteLine(ok);
 var tt = new Thread(() => { try { Thread.Sleep(100000); } catch (ThreadAbortException) { Console.WriteLine("aborted"); } }); tt.Start(); Thread.Sleep(100); tt.Abort(); tt.Join();
 Console.WriteLine(Task.Run(async () => { await Task.Delay(50); return 7; }).Result);
 try { object o = null; o.ToString(); } catch (NullReferenceException) { Console.WriteLine("nre"); } } }
