#pragma once

#include <string>
#include <vector>

#include "backend/kernel.h"
#include "base/file.h"

namespace halftone {

/// One model of ONNX's backend test suite.
struct OnnxCase {
  std::string name;  ///< "node/test_abs"
  fs::path folder;   ///< holds model.onnx and test_data_set_N/{input,output}_M.pb
};

/// The suite in `shared`, unpacked on first use into a temporary folder beside the test program; empty where
/// there is none. Sorted by name.
const std::vector<OnnxCase>& onnx_suite();

/// Names of operators that a model's nodes use, sorted.
std::vector<std::string> onnx_operators(const OnnxCase& test);

/// Runs a model on its inputs, with those after the first made constants when `frozen`, by the backend's
/// kernels (null: references alone). Empty when each output agrees within rtol 1e-3 and atol 1e-7, else what
/// went wrong.
std::string run_onnx_case(const OnnxCase& test, bool frozen, const Backend* backend, ThreadPool& threads);

}  // namespace halftone
