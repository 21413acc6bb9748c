"""One array for three libraries, by DLPack and without a copy: torch fills a param, reel trains it, numpy looks at it.

    python train.py libreel.so
"""

import ctypes
import sys
from ctypes import Structure, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p, py_object

import numpy
import torch

reel = ctypes.PyDLL(sys.argv[1])  # which holds Python's lock: the tensors that reel lets go are Python's
VERSION, REAL = 100, 0  # REEL_VERSION of the headers, and REEL_REAL, which is float32
NAME, USED_NAME = b"dltensor_versioned", b"used_dltensor_versioned"


class Var(Structure):
    _fields_ = [("number", c_uint32), ("generation", c_uint64)]


class Shape(Structure):
    _fields_ = [("ndim", c_int), ("dim", c_int64 * 8)]


def declare(library, name, result, *arguments):
    f = getattr(library, name)
    f.restype, f.argtypes = result, arguments
    return f


context_new = declare(reel, "reel_context_new_checked", c_void_p, c_void_p, c_size_t, c_int)
tape_new = declare(reel, "reel_tape_new", c_void_p, c_void_p)
params_new = declare(reel, "reel_params_new", c_void_p, c_void_p)
param_new = declare(reel, "reel_param_new", c_void_p, c_void_p, c_char_p, c_int, c_int, Shape)
sgd_new = declare(reel, "reel_sgd_new", c_void_p, c_void_p, c_void_p)
set_lr = declare(reel, "reel_optim_set_lr", c_int, c_void_p, c_int, c_double)
param_var = declare(reel, "reel_param_var", Var, c_void_p, c_void_p)
matmul = declare(reel, "reel_matmul", Var, c_void_p, Var, Var)
mse_loss = declare(reel, "reel_mse_loss", Var, c_void_p, Var, Var)
zero_grad = declare(reel, "reel_zero_grad", None, c_void_p)
backward = declare(reel, "reel_backward", c_int, c_void_p, Var, c_void_p)
step = declare(reel, "reel_optim_step", c_int, c_void_p)
reset = declare(reel, "reel_tape_reset", c_int, c_void_p)
show = declare(reel, "reel_param_to_dlpack", c_void_p, c_void_p)
begin = declare(reel, "reel_param_begin_dlpack", c_void_p, c_void_p)
end = declare(reel, "reel_param_end_dlpack", c_int, c_void_p)
from_dlpack = declare(reel, "reel_from_dlpack", Var, c_void_p, c_void_p)
free = [declare(reel, f"reel_{what}_free", None, c_void_p) for what in ("optim", "params", "tape", "context")]
capsule_new = declare(ctypes.pythonapi, "PyCapsule_New", py_object, c_void_p, c_char_p, c_void_p)
capsule_pointer = declare(ctypes.pythonapi, "PyCapsule_GetPointer", c_void_p, py_object, c_char_p)
capsule_rename = declare(ctypes.pythonapi, "PyCapsule_SetName", c_int, py_object, c_char_p)


class Shown:
    """What reel shows, for from_dlpack of any library."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack_device__(self):
        return 1, 0  # the CPU

    def __dlpack__(self, **_):
        return capsule_new(self.tensor, NAME, None)


def borrow(array):
    """A var whose elements are the array's, which reel lets go at the reset."""
    capsule = array.__dlpack__(max_version=(1, 0))
    tensor = capsule_pointer(capsule, NAME)
    capsule_rename(capsule, USED_NAME)
    return from_dlpack(tape, tensor)


context = context_new(None, 4, VERSION)  # 4 bytes: sizeof(reel_real)
tape, params = tape_new(context), params_new(context)
weight = param_new(params, b"weight", 0, REAL, Shape(2, (c_int64 * 8)(3, 1)))
optim = sgd_new(params, None)
set_lr(optim, 0, 0.1)

torch.manual_seed(0)
torch.from_dlpack(Shown(begin(weight))).fill_(0.5)
end(weight)
seen = numpy.from_dlpack(Shown(show(weight)))
print("torch wrote", seen.ravel())

wanted = torch.tensor([[1.0], [-2.0], [3.0]])
for _ in range(100):
    x = torch.randn(16, 3)
    loss = mse_loss(tape, matmul(tape, borrow(x), param_var(tape, weight)), borrow(x @ wanted))
    zero_grad(params)
    if backward(tape, loss, params) or step(optim) or reset(tape):
        sys.exit(declare(reel, "reel_error", c_char_p, c_void_p)(context).decode())
print("reel trained", seen.ravel())
assert not seen.flags.writeable and numpy.allclose(seen, wanted.numpy(), atol=1e-3)

del seen  # which shows memory of the set; the context goes last
for release, what in zip(free, (optim, params, tape, context)):
    release(what)
