let m = Mutex.create () let c = Condition.create () let n = ref 0
let f i = for k = 1 to 2000 do ignore (Array.make 100 k); if k mod 500 = 0 then Thread.yield () done; Mutex.lock m; n := !n + i; Condition.signal c; Mutex.unlock m
let () = let ts = List.init 50 (Thread.create f) in
 Mutex.lock m; while !n < 1225 do Condition.wait c m done; Mutex.unlock m; List.iter Thread.join ts; Printf.printf "%d\n%!" !n;
 let r, w = Unix.pipe () in let t = Thread.create (fun () -> let b = Bytes.create 10 in Printf.printf "read %d\n%!" (Unix.read r b 0 10)) () in
 Thread.delay 0.05; ignore (Unix.write_substring w "hello" 0 5); Thread.join t;
 let ch = Event.new_channel () in let _ = Thread.create (fun () -> Event.sync (Event.send ch 42)) () in Printf.printf "%d\n" (Event.sync (Event.receive ch));
 let s = Unix.socket Unix.PF_INET Unix.SOCK_STREAM 0 in Unix.bind s (Unix.ADDR_INET (Unix.inet_addr_loopback, 0)); Unix.listen s 5;
 let _ = Thread.create (fun () -> let c, _ = Unix.accept s in ignore (Unix.write_substring c "net" 0 3); Unix.close c) () in
 let ic, _ = Unix.open_connection (Unix.getsockname s) in print_endline (input_line ic)
