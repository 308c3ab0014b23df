import Control.Concurrent
import Control.Concurrent.MVar
import Control.Monad
import System.IO
import System.Timeout
main = do
  hSetBuffering stdout LineBuffering
  r <- newMVar (0::Int)
  ds <- forM [1..200] $ \i -> do { d <- newEmptyMVar; forkIO (modifyMVar_ r (return . (+ sum [1..i*100])) >> putMVar d ()); return d }
  mapM_ takeMVar ds
  readMVar r >>= print
  d <- newEmptyMVar
  _ <- forkOS (threadDelay 100000 >> putMVar d "os")
  takeMVar d >>= putStrLn
  t <- timeout 200000 (threadDelay 5000000)
  print t
