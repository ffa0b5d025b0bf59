"""The layers. One idea a file; in each, the formula, the code and the derivative on one screen."""

from .activations import LeakyReLU, ReLU, Sigmoid, Tanh
from .base import Layer
from .basis import Basis, Bias
from .blur import BlurDownSampling2D, BlurUpSampling2D
from .borders import Cropping2D, ZeroPadding2D
from .conv import Conv2D, Conv2DTranspose
from .dense import Dense
from .dropout import Dropout
from .label_embedding import LabelEmbedding
from .minibatch_std import MinibatchStd
from .norm import BatchNorm
from .residual import Residual
from .resize import AveragePooling2D, GlobalAveragePooling2D, UpSampling2D
from .shape import Flatten, Reshape
from .spectral_norm import SpectralNorm
from .upsampling_conv import UpSamplingConv2D

__all__ = [
    "AveragePooling2D", "Basis", "BatchNorm", "Bias", "BlurDownSampling2D", "BlurUpSampling2D", "Conv2D",
    "Conv2DTranspose", "Cropping2D", "Dense", "Dropout", "Flatten", "GlobalAveragePooling2D", "LabelEmbedding", "Layer",
    "LeakyReLU", "MinibatchStd", "ReLU", "Reshape", "Residual", "Sigmoid", "SpectralNorm", "Tanh", "UpSampling2D",
    "UpSamplingConv2D", "ZeroPadding2D",
]  # fmt: skip
