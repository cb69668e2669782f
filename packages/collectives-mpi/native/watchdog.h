// Calls of MPI that block, and that nothing can end but the end of the process.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace tessera {

/** Ends the process, with `code` and `lastWords` on stderr, where it lives longer than `limit`. */
class Watchdog {
 public:
  Watchdog(std::chrono::steady_clock::duration limit, int code, std::string lastWords);
  ~Watchdog();

 private:
  std::mutex mutex_;
  std::condition_variable called_off_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace tessera
