// See watchdog.h.
#include "watchdog.h"

#include <unistd.h>

namespace tessera {

Watchdog::Watchdog(std::chrono::steady_clock::duration limit, int code, std::string lastWords) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  thread_ = std::thread([this, deadline, code, lastWords = std::move(lastWords)] {
    std::unique_lock lock(mutex_);
    if (called_off_.wait_until(lock, deadline, [this] { return over_; })) return;
    static_cast<void>(!write(STDERR_FILENO, lastWords.data(), lastWords.size()));
    _exit(code);
  });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  called_off_.notify_one();
  thread_.join();
}

}  // namespace tessera
