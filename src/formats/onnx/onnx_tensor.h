#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/file.h"
#include "formats/onnx/onnx_model.h"
#include "ops/constant.h"

namespace halftone {

/// Turns the tensors of one ONNX file into constants. Large ones stay where they are, in the mapped file or
/// in the external data beside it, and are read when their numbers are wanted.
class OnnxTensorReader {
 public:
  explicit OnnxTensorReader(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

  /// Checks type, shape and number of bytes; external data must lie in the model's folder. Throws InputError,
  /// and UnsupportedError for element types that there are none of here.
  Constant constant(const OnnxTensor& tensor);

 private:
  Constant external(const OnnxTensor& tensor, DType dtype, const Shape& shape, const std::string& where);
  const std::shared_ptr<const MappedFile>& data_file(std::string_view location, const std::string& where);

  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, std::shared_ptr<const MappedFile>, std::less<>> data_files_;
};

}  // namespace halftone
