// Node.js: worker threads with shared memory and Atomics, the thread pool (crypto, zlib, fs, dns), HTTP, processes, signals.
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
if (!isMainThread) {
    const a = new Int32Array(workerData.shared);
    for (let i = 0; i < 2000; i++) Atomics.add(a, 0, 1);
    Atomics.add(a, 1, 1); Atomics.notify(a, 1);
    if (workerData.spin) for (;;) ;
    while (Atomics.load(a, 1) < 6) Atomics.wait(a, 1, Atomics.load(a, 1), 100);
    parentPort.on('message', (m) => { if (m === 'end') parentPort.close(); else parentPort.postMessage(m * 2); });
} else (async () => {
    const crypto = require('crypto'), zlib = require('zlib'), fs = require('fs'), os = require('os'), path = require('path'), http = require('http'), cp = require('child_process'), util = require('util'), dns = require('dns');
    const shared = new SharedArrayBuffer(8);
    const workers = Array.from({ length: 6 }, () => new Worker(__filename, { workerData: { shared } }));
    const sums = await Promise.all(workers.map((w) => new Promise((done, fail) => {
        let sum = 0, n = 0;
        w.on('error', fail); w.on('exit', (c) => done(sum + c));
        w.on('message', (m) => { sum += m; if (++n === 100) w.postMessage('end'); });
        for (let i = 0; i < 100; i++) w.postMessage(i);
    })));
    console.log('workers', sums.join(), new Int32Array(shared).join());
    const hashes = await Promise.all(Array.from({ length: 12 }, (_, i) => util.promisify(crypto.pbkdf2)('s' + i, 'salt', 3000, 16, 'sha256')));
    console.log('pbkdf2', hashes.map((h) => h.toString('hex').slice(0, 4)).join());
    const z = await Promise.all(Array.from({ length: 12 }, async (_, i) => (await util.promisify(zlib.gunzip)(await util.promisify(zlib.gzip)(Buffer.alloc(200000, i)))).length));
    console.log('zlib', z.reduce((a, b) => a + b));
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'judge-node-'));
    await Promise.all(Array.from({ length: 50 }, (_, i) => fs.promises.writeFile(path.join(dir, 'f' + i), 'x'.repeat(i * 1000))));
    console.log('fs', (await Promise.all(Array.from({ length: 50 }, async (_, i) => (await fs.promises.readFile(path.join(dir, 'f' + i))).length))).reduce((a, b) => a + b));
    fs.rmSync(dir, { recursive: true });
    console.log('dns', (await Promise.all(Array.from({ length: 10 }, () => dns.promises.lookup('localhost', { family: 4 })))).every((a) => a.address === '127.0.0.1'));
    const server = http.createServer((q, r) => { const d = []; q.on('data', (c) => d.push(c)); q.on('end', () => r.end(Buffer.concat(d).toString().toUpperCase())); });
    await new Promise((r) => server.listen(0, '127.0.0.1', r));
    const ask = (i) => new Promise((done, fail) => { const q = http.request({ port: server.address().port, host: '127.0.0.1', method: 'POST' }, (r) => { let s = ''; r.on('data', (c) => s += c); r.on('end', () => done(s === 'HELLO ' + i)); }); q.on('error', fail); q.end('hello ' + i); });
    console.log('http', (await Promise.all(Array.from({ length: 200 }, (_, i) => ask(i)))).every((x) => x));
    server.close();
    console.log('processes', (await Promise.all(Array.from({ length: 8 }, (_, i) => new Promise((done) => { const p = cp.spawn('sh', ['-c', 'cat; exit ' + i]); let n = 0; p.stdout.on('data', (d) => n += d.length); p.on('close', (c) => done(n + ':' + c)); p.stdin.end('y'.repeat(100000)); })))).join());
    console.log('sync', cp.execSync('echo hello').toString().trim());
    const stuck = new Worker(__filename, { workerData: { shared: new SharedArrayBuffer(8), spin: true } });
    await new Promise((r) => stuck.once('online', r));
    console.log('terminate', await stuck.terminate());
    process.once('SIGUSR2', () => { console.log('signal'); process.exitCode = 5; });
    process.kill(process.pid, 'SIGUSR2');
    setTimeout(() => console.log('end'), 50);
})();
