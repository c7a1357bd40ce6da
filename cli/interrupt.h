#pragma once

namespace halftone::cli {

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
