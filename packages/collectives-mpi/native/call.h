// One call of a group, from its posting to its end: what it is, and where it stands.
#pragma once

#include <mpi.h>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "reduce.h"

namespace tessera {

using Clock = std::chrono::steady_clock;

/** The order is that of KINDS in src/addon.ts; `meet` makes a group, and is the engine's own. */
enum class Kind : uint8_t {
  allReduce,
  reduceScatter,
  allGather,
  broadcast,
  send,
  receive,
  barrier,
  meet
};

/** What ranks compare: all of it must be equal for a collective. */
struct Signature {
  uint64_t number = 0;
  uint64_t size = 0;
  int32_t root = 0;
  Kind kind = Kind::barrier;
  Storage storage = Storage::fp32;
  Op op = Op::sum;

  bool operator==(const Signature&) const = default;
  std::string text() const;
};

inline void check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw std::runtime_error(std::string(what) + ": " +
                           std::string(text, static_cast<size_t>(length)));
}

/** Requests that a call waits for before it goes on. */
using Requests = std::vector<MPI_Request>;

/** A step-by-step program of communication; it suspends where it waits for requests. */
struct Program {
  struct promise_type {
    std::exception_ptr error;
    std::coroutine_handle<> caller;
    Program get_return_object() { return Program(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
      struct Back {
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> done) noexcept {
          auto caller = done.promise().caller;
          return caller ? caller : std::coroutine_handle<>(std::noop_coroutine());
        }
        void await_resume() noexcept {}
      };
      return Back{};
    }
    void return_void() {}
    void unhandled_exception() { error = std::current_exception(); }
  };
  using Handle = std::coroutine_handle<promise_type>;

  Program() = default;
  explicit Program(Handle handle) : handle(handle) {}
  Program(Program&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
  Program& operator=(Program&& other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~Program() {
    if (handle) handle.destroy();
  }

  // A program that waits for another one runs it to its end.
  bool await_ready() const { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
    handle.promise().caller = caller;
    return handle;
  }
  void await_resume() const {
    if (handle.promise().error) std::rethrow_exception(handle.promise().error);
  }

  Handle handle = nullptr;
};

struct Group;

struct Call {
  Group& group;
  Signature signature;
  const char* from = nullptr;
  char* to = nullptr;
  int peer = 0;
  int tag = 0;
  /** Of a meeting: the first context that is free on this rank; at its end, on all of them. */
  int context = 0;
  Clock::duration limit{};

  Clock::time_point posted = Clock::now();
  Clock::time_point ended{};
  /** Set last: what has been written before is then seen by whoever reads it. */
  std::atomic<bool> done = false;
  std::string error;

  Program program;
  Requests* waitingFor = nullptr;
  std::coroutine_handle<> suspended;

  size_t bytes() const { return signature.size * bytesPer(signature.storage); }
  /** "allReduce (sum) of 4 fp32, #2 of the world (ranks 0, 1)", as errors begin. */
  std::string where(const std::vector<std::string>& hosts) const;
  bool isMessage() const { return signature.kind == Kind::send || signature.kind == Kind::receive; }

  /** co_await call.all(requests): goes on when all of them are done, and clears them. */
  auto all(Requests& requests) {
    struct Wait {
      Call& call;
      Requests& requests;
      bool await_ready() const { return requests.empty(); }
      void await_suspend(std::coroutine_handle<> handle) {
        call.waitingFor = &requests;
        call.suspended = handle;
      }
      void await_resume() const { requests.clear(); }
    };
    return Wait{*this, requests};
  }

  /** Goes one step on if what it waits for is there. Returns whether it did. */
  bool advance();
};

/** The steps of `call`, in algorithms.cc. */
Program programOf(Call& call);
/**
 * Compares the calls of all ranks of the group, in compare.cc; throws on all of them where they
 * differ.
 */
Program compare(Call& call);

}  // namespace tessera
