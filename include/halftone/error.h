#pragma once

#include <stdexcept>
#include <string>

#include "halftone/export.h"

namespace halftone::sdk {

/// What every function of the library throws.
class HALFTONE_API Error : public std::runtime_error {
 public:
  enum class Kind {
    usage,        ///< an argument is wrong
    input,        ///< a file or a tensor is wrong
    unsupported,  ///< valid, but not handled
    resource,     ///< memory or disk ran out
    internal,     ///< a bug
  };
  Error(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

}  // namespace halftone::sdk
