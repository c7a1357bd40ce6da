#pragma once

#include <string>

#include "formats/onnx/plain_graph.h"
#include "scheme/quantized_tensor.h"

namespace halftone {

/// The constants of an integer layer as an ONNX graph reads them: floating values behind a DequantizeLinear.
struct ExportedWeights {
  ValueId weights;
  ValueId bias = kNoValue;
};

struct IntegerLayerForm {
  bool turned = false;         ///< weights [inputs, outputs], for MatMul
  bool floating_bias = false;  ///< the bias as the numbers that its integers stand for
};

/// The weights and the bias (if there is one) that a site with an integer meaning computes with: int8 and
/// int32, one scale an output.
ExportedWeights export_integer_layer(PlainGraph& to, const Node& node, const OpSite& site,
                                     const QuantizedTensor& weights, const std::string& name,
                                     const IntegerLayerForm& form);

/// An encoded constant as codes behind a DequantizeLinear. Throws UnsupportedError for encodings that it
/// cannot say: other than integers with one scale a tensor, an index of the first or last axis, or an even
/// group.
ValueId dequantized(PlainGraph& to, const std::string& name, const QuantizedTensor& tensor);

}  // namespace halftone
