"""Uploads whose bytes are signed or summed: signatures chunk by chunk, trailers, and every checksum, right and wrong."""

import base64
import binascii
import datetime
import functools
import hashlib
import hmac
import http.client
import struct
import urllib.parse

import pytest
from test_s3 import MIB, body, bucket, client_of, key, refused, s3  # noqa: F401

EMPTY = hashlib.sha256(b"").hexdigest()
CHUNK = 64 << 10  # the least that stores take in the middle of a signed stream
DATA = bytes(range(256)) * 600  # two whole chunks and a part of one


# ---------------------------------------------------------------- checksums


@functools.cache
def table(polynomial):
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        rows.append(byte)
    return rows


@functools.lru_cache(maxsize=64)
def crc(data, polynomial, bits):
    rows, value = table(polynomial), (1 << bits) - 1
    for byte in data:
        value = rows[(value ^ byte) & 255] ^ value >> 8
    return (value ^ (1 << bits) - 1).to_bytes(bits // 8, "big")


DIGESTS = {
    "CRC32": lambda data: struct.pack(">I", binascii.crc32(data)),
    "CRC32C": lambda data: crc(data, 0x82F63B78, 32),
    "CRC64NVME": lambda data: crc(data, 0x9A6C9329AC4BC9B5, 64),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}
NAMES = list(DIGESTS)


def checksum(name, data):
    return base64.b64encode(DIGESTS[name](data)).decode()


def field(name):
    return f"Checksum{name}"


def test_the_sums_of_this_test_are_those_of_the_standards():
    assert DIGESTS["CRC32C"](b"123456789").hex() == "e3069283"
    assert DIGESTS["CRC64NVME"](b"123456789").hex() == "ae8b14860a799888"


@pytest.mark.parametrize("name", NAMES)
def test_a_checksum(s3, bucket, name):  # noqa: F811
    where = {"Bucket": bucket, "Key": name}
    right, wrong = checksum(name, DATA), checksum(name, DATA + b"!")
    refused("BadDigest", s3.put_object, **where, Body=DATA, **{field(name): wrong})
    refused("NoSuchKey", s3.get_object, **where)
    put = s3.put_object(**where, Body=DATA, **{field(name): right})
    assert put[field(name)] == right
    for answer in (s3.get_object(**where, ChecksumMode="ENABLED"), s3.head_object(**where, ChecksumMode="ENABLED")):
        assert (answer[field(name)], answer["ChecksumType"]) == (right, "FULL_OBJECT")
    assert field(name) not in s3.head_object(**where)
    assert body(s3.get_object(**where)) == DATA
    # A wrong one takes nothing away, either; and what is no checksum at all is told apart.
    refused("BadDigest", s3.put_object, **where, Body=b"other", **{field(name): wrong})
    refused("InvalidRequest", s3.put_object, **where, Body=b"other", **{field(name): "AAA="})
    assert body(s3.get_object(**where)) == DATA


PARTS = [b"a" * (5 * MIB), b"the rest"]


@pytest.mark.parametrize("name, whole", [(name, False) for name in NAMES if name != "CRC64NVME"]
                         + [(name, True) for name in NAMES if name.startswith("CRC")])
def test_checksums_of_parts(s3, bucket, name, whole):  # noqa: F811
    """Composite ones are of the parts' checksums; those of the whole object are the same as if it had been put at once."""
    kind = "FULL_OBJECT" if whole else "COMPOSITE"
    where = {"Bucket": bucket, "Key": "k"}
    made = s3.create_multipart_upload(**where, ChecksumAlgorithm=name, ChecksumType=kind)
    assert (made["ChecksumAlgorithm"], made["ChecksumType"]) == (name, kind)
    where["UploadId"] = made["UploadId"]
    refused("BadDigest", s3.upload_part, **where, PartNumber=2, Body=PARTS[1], **{field(name): checksum(name, b"no")})
    parts = []
    for number, data in enumerate(PARTS, 1):
        right = checksum(name, data)
        part = s3.upload_part(**where, PartNumber=number, Body=data, **{field(name): right})
        assert part[field(name)] == right
        parts.append({"PartNumber": number, "ETag": part["ETag"], field(name): right})
    if whole:
        expected, wrong = checksum(name, b"".join(PARTS)), checksum(name, b"another whole")
        refused("BadDigest", s3.complete_multipart_upload, **where, MultipartUpload={"Parts": parts}, ChecksumType=kind,
                **{field(name): wrong})
    else:
        expected = checksum(name, b"".join(DIGESTS[name](data) for data in PARTS)) + "-2"
        bad = [parts[0], {**parts[1], field(name): checksum(name, b"no")}]
        refused("InvalidPart", s3.complete_multipart_upload, **where, MultipartUpload={"Parts": bad})
    refused("404", s3.head_object, Bucket=bucket, Key="k")
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, ChecksumType=kind)
    assert (done[field(name)], done["ChecksumType"]) == (expected, kind)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[field(name)], head["ChecksumType"]) == (expected, kind)


def test_kinds_that_no_algorithm_has(s3, bucket):  # noqa: F811
    for name, kind in (("CRC64NVME", "COMPOSITE"), ("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT")):
        refused("InvalidRequest", s3.create_multipart_upload, Bucket=bucket, Key="k", ChecksumAlgorithm=name, ChecksumType=kind)


# ---------------------------------------------------------------- streams of chunks


class Stream:
    """A PUT by hand, signed by Signature V4 with the body's kind `payload`."""

    def __init__(self, access, where, payload, size, trailer=None):
        self.access, self.path = access, "/" + where
        now = datetime.datetime.now(datetime.timezone.utc)
        self.at = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.at[:8]}/us-east-1/s3/aws4_request"
        self.headers = {"content-encoding": "aws-chunked", "host": urllib.parse.urlsplit(access["endpoint"]).netloc,
                        "x-amz-content-sha256": payload, "x-amz-date": self.at, "x-amz-decoded-content-length": str(size)}
        if trailer:
            self.headers["x-amz-trailer"] = trailer
        names = ";".join(sorted(self.headers))
        lines = "".join(f"{name}:{self.headers[name]}\n" for name in sorted(self.headers))
        request = f"PUT\n{self.path}\n\n{lines}\n{names}\n{payload}"
        self.signature = self.sign(f"AWS4-HMAC-SHA256\n{self.at}\n{self.scope}\n{hashlib.sha256(request.encode()).hexdigest()}")
        credential = f"Credential={access['access_key']}/{self.scope}, SignedHeaders={names}, Signature={self.signature}"
        self.headers["authorization"] = f"AWS4-HMAC-SHA256 {credential}"

    def sign(self, text):
        secret = ("AWS4" + self.access["secret_key"]).encode()
        for word in (*self.scope.split("/"), text):
            secret = hmac.new(secret, word.encode(), hashlib.sha256).digest()
        return secret.hex()

    def chunk(self, data, forged=False):
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{self.at}\n{self.scope}\n{self.signature}\n{EMPTY}\n{hashlib.sha256(data).hexdigest()}"
        self.signature = self.sign(text)
        shown = self.signature if not forged else "0" * 64
        return b"%x;chunk-signature=%s\r\n%s\r\n" % (len(data), shown.encode(), data)

    def last(self, trailer, forged=False):
        """The chunk of nothing, and a signed trailer behind it."""
        end = self.chunk(b"")[:-2]
        digest = hashlib.sha256(trailer + b"\n").hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\n{self.at}\n{self.scope}\n{self.signature}\n{digest}"
        signature = self.sign(text) if not forged else "0" * 64
        return end + trailer + b"\r\nx-amz-trailer-signature:" + signature.encode() + b"\r\n\r\n"

    def send(self, content):
        host = urllib.parse.urlsplit(self.access["endpoint"])
        connection = http.client.HTTPConnection(host.hostname, host.port, timeout=20)
        try:
            connection.request("PUT", self.path, content, {**self.headers, "content-length": str(len(content))})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def pieces(data):
    return [data[at:at + CHUNK] for at in range(0, len(data), CHUNK)]


def test_signed_chunks(s3, key, bucket):  # noqa: F811
    stream = Stream(key, f"{bucket}/k", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", len(DATA))
    content = b"".join(map(stream.chunk, pieces(DATA))) + stream.chunk(b"")
    assert stream.send(content)[0] == 200
    assert body(s3.get_object(Bucket=bucket, Key="k")) == DATA


@pytest.mark.parametrize("which", [0, 1, 2, "end", "bytes", "order", "length"])
def test_a_chunk_that_was_not_signed_so(s3, key, bucket, which):  # noqa: F811
    size = len(DATA) + (1 if which == "length" else 0)
    stream = Stream(key, f"{bucket}/k", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", size)
    chunks = [stream.chunk(data, forged=number == which) for number, data in enumerate(pieces(DATA))]
    end = stream.chunk(b"", forged=which == "end")
    if which == "bytes":
        chunks[1] = chunks[1][:-3] + b"!" + chunks[1][-2:]
    if which == "order":
        chunks[0], chunks[1] = chunks[1], chunks[0]
    status, text = stream.send(b"".join(chunks) + end)
    assert 400 <= status < 500, text
    if which in (0, 1, 2, "end", "bytes", "order"):
        assert status == 403 and "SignatureDoesNotMatch" in text, text
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="k")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_signed_chunks_with_a_signed_trailer(s3, key, bucket, name):  # noqa: F811
    payload, header = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", f"x-amz-checksum-{name.lower()}"
    for forged, data, code in ((False, DATA, None), (True, DATA, "SignatureDoesNotMatch"), (False, DATA + b"!", "BadDigest")):
        stream = Stream(key, f"{bucket}/{'good' if code is None else 'bad'}", payload, len(DATA), header)
        content = b"".join(map(stream.chunk, pieces(DATA)))
        trailer = f"{header}:{checksum(name, data)}".encode()
        status, text = stream.send(content + stream.last(trailer, forged))
        assert (status == 200) if code is None else code in text, text
    head = s3.head_object(Bucket=bucket, Key="good", ChecksumMode="ENABLED")
    assert head[field(name)] == checksum(name, DATA)
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["good"]


@pytest.mark.parametrize("name", NAMES)
def test_a_trailer_without_signatures(s3, key, bucket, name):  # noqa: F811
    """What clients do over TLS; the checksum in the trailer is all that says whether the bytes are right."""
    header = f"x-amz-checksum-{name.lower()}"
    for data, code in ((DATA, None), (DATA + b"!", "BadDigest")):
        stream = Stream(key, f"{bucket}/{'good' if code is None else 'bad'}", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", len(DATA), header)
        content = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces(DATA))
        status, text = stream.send(content + f"0\r\n{header}:{checksum(name, data)}\r\n\r\n".encode())
        assert (status == 200) if code is None else code in text, text
    head = s3.head_object(Bucket=bucket, Key="good", ChecksumMode="ENABLED")
    assert head[field(name)] == checksum(name, DATA)
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["good"]


@pytest.mark.parametrize("payload", ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"])
@pytest.mark.parametrize("end", [True, False])
def test_a_trailer_that_does_not_come(s3, key, bucket, payload, end):  # noqa: F811
    """Nothing is kept that was not compared with what its sender promised to say of it."""
    stream = Stream(key, f"{bucket}/k", payload, len(DATA), "x-amz-checksum-crc32c")
    if "UNSIGNED" in payload:
        content = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces(DATA)) + (b"0\r\n\r\n" if end else b"")
    else:
        content = b"".join(map(stream.chunk, pieces(DATA))) + (stream.chunk(b"") if end else b"")
    status, text = stream.send(content)
    assert status == 400, text
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
