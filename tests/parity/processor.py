"""What this processor can compute with."""


def knows_bf16():
    """Whether oneDNN has bf16 here: from AVX-512 on, be it by instructions of its own or not."""
    with open("/proc/cpuinfo", encoding="ascii") as lines:
        flags = next((line for line in lines if line.startswith("flags")), "").split()
    return {"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= set(flags)
