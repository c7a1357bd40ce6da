#pragma once

#include <cstddef>

#include "base/error.h"

namespace halftone::jinja {

/// Bounds the work and the memory of one rendering, whatever the template does.
class Meter {
 public:
  static constexpr size_t kStep = 64;  ///< one evaluation, one item; a byte of text is one unit
  static constexpr size_t kUnits = size_t{256} << 20;

  void spend(size_t units) {
    if (units > left_) throw InputError("the template does too much work (endless loop or growing text?)");
    left_ -= units;
  }

 private:
  size_t left_ = kUnits;
};

}  // namespace halftone::jinja
