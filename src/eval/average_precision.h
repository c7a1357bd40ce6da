#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace halftone {

/// A box as COCO writes it: left, top, width, height, in pixels.
using CocoBox = std::array<double, 4>;

/// An object that is there.
struct TrueBox {
  int64_t image = 0;
  int64_t category = 0;
  CocoBox box{};
  double area = 0;     ///< as annotated (of the mask, where there is one)
  bool crowd = false;  ///< a group: what is found in it counts neither for nor against
};

/// An object that a detector says is there.
struct FoundBox {
  int64_t image = 0;
  int64_t category = 0;
  CocoBox box{};
  double score = 0;
};

/// COCO's box average precision, 0 to 1; -1 where no true object is of that size.
struct AveragePrecision {
  double ap = -1;  ///< mean over overlaps of .50 to .95 by .05, 101 recalls, and the categories present
  double ap50 = -1;
  double ap75 = -1;
  double ap_small = -1;   ///< areas up to 32^2 pixels
  double ap_medium = -1;  ///< to 96^2
  double ap_large = -1;
};

/// Equals pycocotools' COCOeval ("bbox", at most 100 boxes a picture and category). Order within a picture
/// decides between equal scores, as there: true boxes in the order given, found ones in the order given,
/// pictures by number.
AveragePrecision average_precision(std::span<const TrueBox> truth, std::span<const FoundBox> found);

}  // namespace halftone
