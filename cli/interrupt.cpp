#include "cli/interrupt.h"

#include <csignal>

namespace halftone::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int signal) {
  if (interrupted) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  interrupted = 1;
}

}  // namespace

Interrupt::Interrupt() {
  clear();
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // without SA_RESTART: reading a line ends, too
  sigaction(SIGINT, &action, nullptr);
}

Interrupt::~Interrupt() {
  std::signal(SIGINT, SIG_DFL);
}

bool Interrupt::raised() const {
  return interrupted != 0;
}
void Interrupt::clear() {
  interrupted = 0;
}

}  // namespace halftone::cli
