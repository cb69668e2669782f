// Signals that wait while a library computes.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <initializer_list>

namespace tessera {

/**
 * Holds the signals of other processes and of profilers back from this thread as long as it lives, and for good from
 * threads that it starts meanwhile. oneDNN's products keep a pointer into the heap in the stack's register (its issue
 * 4845), where the frame of a signal's handler overwrites what is there. Other threads take signals meanwhile, or this
 * one does afterwards.
 */
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t held;
    sigfillset(&held);
    // Those that the thread itself causes.
    for (const int own : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT}) {
      sigdelset(&held, own);
    }
    pthread_sigmask(SIG_BLOCK, &held, &before_);
  }
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
};

}  // namespace tessera
