#pragma once

namespace halftone::cli {

/// Thrown when all that Ctrl-C leaves to do is done: main() ends the program as Ctrl-C would have, so that a
/// script or a loop of a shell around it ends too.
struct Interrupted {};

/// While it lives, the first Ctrl-C only raises a flag; a second one before the flag is cleared ends the
/// program as usual.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool raised() const;
  void clear();
};

}  // namespace halftone::cli
