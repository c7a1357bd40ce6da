#pragma once

#include <vector>

#include "cli/export_formats.h"

namespace halftone::cli {

/// "onnx-qdq" and "onnx".
std::vector<ExportFormat> onnx_formats();

}  // namespace halftone::cli
