#pragma once

#include <fmt/format.h>
#include <stdexcept>
#include <string>
#include <utility>

namespace halftone {

/// Process exit codes of every command.
enum class ExitCode { ok = 0, usage = 2, input = 3, unsupported = 4, resource = 5 };

/// Root of all errors that a user may meet. An assert, in contrast, means a bug of ours.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& what) : std::runtime_error(what), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Something given from outside is wrong: a flag or a value of a flag.
class UsageError : public Error {
 public:
  template <class... Args>
  explicit UsageError(fmt::format_string<Args...> format, Args&&... args)
      : Error(ExitCode::usage, fmt::format(format, std::forward<Args>(args)...)) {}
};

/// A file or a request is wrong. The message names the file, the place, what was expected and what was found.
class InputError : public Error {
 public:
  template <class... Args>
  explicit InputError(fmt::format_string<Args...> format, Args&&... args)
      : Error(ExitCode::input, fmt::format(format, std::forward<Args>(args)...)) {}
};

/// Valid input that Halftone does not handle: what, and why.
class UnsupportedError : public Error {
 public:
  template <class... Args>
  explicit UnsupportedError(fmt::format_string<Args...> format, Args&&... args)
      : Error(ExitCode::unsupported, fmt::format(format, std::forward<Args>(args)...)) {}
};

/// Memory, disk or device ran out: what was asked for, and what there was.
class ResourceError : public Error {
 public:
  template <class... Args>
  explicit ResourceError(fmt::format_string<Args...> format, Args&&... args)
      : Error(ExitCode::resource, fmt::format(format, std::forward<Args>(args)...)) {}
};

}  // namespace halftone
