"""USB errors become typed errors, and every error says what to do next."""

import copy
import errno
import pickle

import pytest
import usb.core

from hw import errors
from hw.errors import DeniedError, DeviceError, TransferError, from_os_error, usb_errors
from hw.guard import Authority, HostState, Operation, RiskMode, Target, require
from hw.udev import rule_path

KINDS = [
    (errno.ETIMEDOUT, errors.DeviceTimeoutError),
    (errno.EPIPE, errors.StalledError),
    (errno.ENODEV, errors.NoDeviceError),
    (errno.EACCES, errors.AccessDeniedError),
    (errno.EBUSY, errors.BusyError),
    (errno.ENOSYS, errors.NotSupportedError),
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


def test_access_denied_names_the_rule_that_is_shipped_and_where_it_goes():
    advice = errors.access_advice("linux")
    assert f"sudo cp {rule_path()} /etc/udev/rules.d/" in advice
    assert rule_path().is_file()
    assert "udev" not in errors.access_advice("win32")


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        ("linux", "apt install libusb-1.0-0"),
        ("darwin", "brew install libusb"),
        ("win32", "libusb-1.0.dll"),
        ("freebsd14", "install libusb"),
    ],
)
def test_a_missing_usb_library_is_named_for_each_system(platform, words):
    assert words in errors.libusb_advice(platform)


@pytest.mark.parametrize(
    ("operation", "authority", "words"),
    [
        (Operation.OPEN, Authority(), "host_state=current_state().state"),
        (Operation.STREAM, Authority(RiskMode.SAFE, frozenset(), HostState.NORMAL), "AGGRESSIVE"),
        (
            Operation.OPEN,
            Authority(RiskMode.SAFE, frozenset(), HostState.NORMAL),
            "Acknowledgement(operation, target)",
        ),
        (Operation.FLASH, Authority(), "nothing allows it"),
    ],
)
def test_a_denial_says_what_to_give_instead(operation, authority, words):
    with pytest.raises(DeniedError) as caught:
        require(operation, Target("usb", "any device"), authority)
    for text in (str(caught.value), str(pickle.loads(pickle.dumps(caught.value)))):
        assert words in text


def test_a_denial_keeps_its_rule_in_a_copy():
    assert pickle.loads(pickle.dumps(DeniedError("reset", "no", "mode"))).rule == "mode"
    assert not isinstance(DeniedError("reset"), TransferError)
