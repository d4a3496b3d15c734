import numpy
import onnxruntime
# TOKENS

session = onnxruntime.InferenceSession("model.onnx")
inputs = {"input_ids": numpy.array(ids, dtype=numpy.int64), "attention_mask": numpy.ones((1, len(ids[0])), dtype=numpy.int64)}
print(session.run(["OUTPUT"], inputs)[0])
