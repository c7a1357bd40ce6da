#include "cli/broken_pictures.h"

#include <cstdio>
#include <fmt/format.h>

#include "base/error.h"

namespace halftone::cli {

BrokenPictures::BrokenPictures(ImageRunner& runner, size_t pictures) : pictures_(pictures) {
  watch(runner);
}

void BrokenPictures::watch(ImageRunner& runner) {
  if (pictures_ < 2) return;
  runner.pass_over_broken([this](const std::string& why) {
    ++broken_;
    fmt::print(stderr, "halftone: warning: {}\n", why);
  });
}

void BrokenPictures::check_some_are_whole() const {
  if (broken_ > 0 && broken_ == pictures_) throw InputError("none of {} pictures can be read", pictures_);
}

void BrokenPictures::add_to(OrderedJson& report) const {
  if (broken_ > 0) report["unreadable"] = broken_;
}

void BrokenPictures::finish() const {
  if (broken_ > 0) throw InputError("{} of {} pictures cannot be read", broken_, pictures_);
}

}  // namespace halftone::cli
