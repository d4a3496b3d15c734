import numpy
import onnxruntime
# TOKENS

session = onnxruntime.InferenceSession("model.onnx")
adapter = onnxruntime.AdapterFormat.read_adapter("adapter.onnx_adapter")
inputs = {"input_ids": numpy.array(ids, dtype=numpy.int64), "attention_mask": numpy.ones((1, len(ids[0])), dtype=numpy.int64)}
inputs.update({name: value.numpy() for name, value in adapter.get_parameters().items()})
print(session.run(["OUTPUT"], inputs)[0])
