#pragma once

#include "base/json.h"
#include "vision/image_runner.h"

namespace halftone::cli {

/// One broken picture does not end a run over many: each is named on stderr as it comes, and the command
/// fails at its end. A picture alone fails at once.
class BrokenPictures {
 public:
  BrokenPictures(ImageRunner& runner, size_t pictures);
  /// Another runner, over those pictures of the first that can be read.
  void watch(ImageRunner& runner);
  /// After the run. Throws InputError when no picture could be read.
  void check_some_are_whole() const;
  size_t count() const { return broken_; }
  /// "unreadable": how many, where any were.
  void add_to(OrderedJson& report) const;
  /// Throws InputError when any were.
  void finish() const;

 private:
  size_t pictures_, broken_ = 0;
};

}  // namespace halftone::cli
