package require Thread
set ts {}
for {set i 0} {$i<20} {incr i} { lappend ts [thread::create -joinable "set s 0; for {set k 0} {\$k<20000} {incr k} {incr s \$k}; tsv::set r $i \$s; after 10; thread::release"] }
foreach t $ts { catch {thread::join $t} }
puts [llength $ts]
set p [tpool::create -minworkers 4 -maxworkers 8]
set js {}
for {set i 0} {$i<50} {incr i} { lappend js [tpool::post $p "expr {$i*$i}"] }
set sum 0
foreach x $js { tpool::wait $p $x; incr sum [tpool::get $p $x] }
puts $sum
exit 0
