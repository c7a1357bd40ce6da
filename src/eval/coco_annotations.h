#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "eval/average_precision.h"

namespace halftone {

/// A COCO annotation file ("instances"), as far as boxes go.
struct CocoAnnotations {
  struct Picture {
    int64_t id;
    std::string file;
  };
  std::vector<Picture> pictures;    ///< by id
  std::vector<int64_t> categories;  ///< ids, ascending: a model's class n is the n-th
  std::vector<std::string> names;   ///< of the categories
  std::vector<TrueBox> boxes;
};

/// Throws InputError naming the file and the place of what is missing or wrong.
CocoAnnotations read_coco_annotations(const fs::path& path);

}  // namespace halftone
