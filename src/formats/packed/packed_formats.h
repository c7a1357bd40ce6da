#pragma once

#include "formats/packed/packed_format.h"

namespace halftone {

extern const PackedReader awq_reader;
extern const PackedReader gptq_reader;
extern const PackedReader compressed_tensors_pack_reader;
extern const PackedReader compressed_tensors_plain_reader;
extern const PackedReader bitsandbytes_reader;

extern const PackedWriter awq_writer;
extern const PackedWriter gptq_writer;
extern const PackedWriter gptq_v2_writer;
extern const PackedWriter compressed_tensors_writer;

}  // namespace halftone
