#include "base/error.h"
#include "eval/coco_annotations.h"
#include "memory_file.h"

/// Any text is a file of COCO annotations, against which boxes can be measured, or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halftone;
  const MemoryFile file(data, size);
  try {
    const CocoAnnotations annotations = read_coco_annotations(file.path());
    std::vector<FoundBox> found;
    for (const TrueBox& box : annotations.boxes) {
      found.push_back({box.image, box.category, box.box, 0.5});
      found.push_back({box.image, box.category, {0, 0, box.box[2], box.box[3]}, 0.25});
    }
    average_precision(annotations.boxes, found);
  } catch (const Error&) {
  }
  return 0;
}
