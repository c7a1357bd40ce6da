#pragma once

#include "backend/kernel.h"
#include "backend/map.h"

namespace halftone {

/// The map of an operator and its attributes under ONNX's defaults; a clip's ends are inputs.
struct MapOfSite {
  Map kind;
  float a = 0, b = 0;
};
MapOfSite map_of_site(const OpSite& site);

}  // namespace halftone
