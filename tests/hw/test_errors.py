"""USB errors become typed errors, and every error says what to do next."""

import copy
import errno
import pickle

import pytest
import usb.core

from hw import errors
from hw.errors import DeniedError, DeviceError, TransferError, from_os_error, usb_errors

KINDS = [
    (errno.ETIMEDOUT, errors.DeviceTimeoutError),
    (errno.EPIPE, errors.StalledError),
    (errno.ENODEV, errors.NoDeviceError),
    (errno.EACCES, errors.AccessDeniedError),
    (errno.EBUSY, errors.BusyError),
    (errno.EOVERFLOW, errors.DataOverflowError),
    (errno.EIO, errors.TransferError),
    (errno.ENOMEM, errors.TransferError),
    (None, errors.TransferError),
]


@pytest.mark.parametrize(("code", "kind"), KINDS)
def test_each_errno_has_its_class(code, kind):
    with pytest.raises(DeviceError) as caught, usb_errors("GETSTATS"):
        raise usb.core.USBError("from the bus", -1, code)
    assert type(caught.value) is kind
    assert caught.value.operation == "GETSTATS"
    assert "from the bus" in str(caught.value)
    assert isinstance(caught.value.__cause__, usb.core.USBError)


def test_the_time_out_class_of_pyusb_is_a_time_out():
    error = usb.core.USBTimeoutError("slow", -7, errno.ETIMEDOUT)
    assert isinstance(from_os_error("read", error), errors.DeviceTimeoutError)


def test_other_exceptions_pass_unchanged():
    with pytest.raises(KeyError), usb_errors("GETSTATS"):
        raise KeyError("mine")


def tree(root):
    return [root, *(kind for child in root.__subclasses__() for kind in tree(child))]


@pytest.mark.parametrize("kind", tree(DeviceError))
def test_messages_name_operation_detail_and_advice_and_survive_copies(kind):
    error = kind("START", "why")
    assert str(error) == f"START: {kind.happened} (why); {kind.advice}"
    assert str(kind("START")) == f"START: {kind.happened}; {kind.advice}"
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(twin), str(twin)) == (kind, str(error))


def test_a_denial_keeps_its_rule_in_a_copy():
    assert pickle.loads(pickle.dumps(DeniedError("reset", "no", "mode"))).rule == "mode"
    assert not isinstance(DeniedError("reset"), TransferError)
