"""Each requirement on content codings, by its number, has a test; where it stands is listed here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

_HTTP, _BYTES = "compression/test_conformance.py", "compression/test_conformance_bytes.py"
_DECODED, _HOSTILE = "decompress/test_decompress.py", "decompress/test_hostile.py"

REQUIREMENTS = {
    # RFC 9110
    **{number: [(_HTTP, "test_1_to_7_the_client_decides")] for number in (1, 2, 5, 7)},
    **{number: [(_HTTP, "test_3_4_6_the_best_of_several_is_chosen")] for number in (3, 4, 6)},
    8: [
        (_HTTP, "test_8_9_10_13_headers_describe_the_encoded_bytes"),
        (_HTTP, "test_8_identity_is_never_written_and_opts_a_response_out"),
    ],
    9: [(_HTTP, "test_8_9_10_13_headers_describe_the_encoded_bytes")],
    10: [
        (_HTTP, "test_8_9_10_13_headers_describe_the_encoded_bytes"),
        (_HTTP, "test_10_14_identity_keeps_what_describes_its_bytes"),
    ],
    11: [(_HTTP, "test_11_head_has_the_fields_of_get")],
    12: [
        (_HTTP, "test_12_13_16_what_is_not_to_be_encoded_is_untouched"),
        (_HTTP, "test_12_a_304_has_the_fields_of_its_200_and_no_byte"),
        (_BYTES, "test_12_interim_responses_are_untouched"),
    ],
    13: [(_HTTP, "test_12_13_16_what_is_not_to_be_encoded_is_untouched")],
    14: [
        (_BYTES, "test_14_a_range_is_never_spliced_into_encoded_bytes"),
        (_BYTES, "test_14_if_match_is_compared_strongly"),
    ],
    15: [(_HTTP, "test_15_vary_is_merged_on_every_variant")],
    16: [
        (_HTTP, "test_12_13_16_what_is_not_to_be_encoded_is_untouched"),
        (_HTTP, "test_16_a_request_can_forbid_transformation"),
    ],
    17: [
        (_DECODED, "test_an_unsupported_coding_is_refused_and_ours_are_listed"),
        (_DECODED, "test_a_415_for_another_reason_lists_no_codings"),
    ],
    18: [
        (_DECODED, "test_stacked_codings_are_undone_in_reverse"),
        (_DECODED, "test_what_described_the_encoded_bytes_is_gone_inside_and_only_there"),
    ],
    # RFC 9111
    19: [
        (_HTTP, "test_19_a_cache_that_reads_vary_serves_each_client_what_it_takes"),
        (_BYTES, "test_19_no_client_gets_from_a_cache_what_it_does_not_take"),
    ],
    # RFC 1952, 7932, 8878 and 9659
    20: [
        (_BYTES, "test_20_gzip_is_one_member_with_its_sum_and_length"),
        (_HOSTILE, "test_bodies_of_several_parts_are_decoded"),
        (_HOSTILE, "test_corrupt_bodies_are_refused"),
        (_HOSTILE, "test_a_body_cut_short_anywhere_is_refused"),
    ],
    21: [(_HOSTILE, "test_corrupt_bodies_are_refused"), (_HOSTILE, "test_raw_deflate_is_accepted_by_option")],
    22: [(_BYTES, "test_22_brotli_declares_no_window_above_16_mb"), (_HOSTILE, "test_corrupt_bodies_are_refused")],
    23: [
        (_BYTES, "test_23_zstd_declares_no_window_above_8_mb"),
        (_HOSTILE, "test_bodies_of_several_parts_are_decoded"),
    ],
    # RFC 9842
    24: [(_BYTES, "test_24_dictionaries_are_named_and_windows_small")],
    25: [(_BYTES, "test_25_26_others_get_a_plain_coding")],
    26: [
        (_BYTES, "test_25_26_others_get_a_plain_coding"),
        (_BYTES, "test_26_what_clients_are_told_to_keep"),
    ],
}


@pytest.mark.parametrize("number", range(1, 27))
def test_a_requirement_has_its_tests(number: int) -> None:
    folder = Path(__file__).parents[1]
    for file, name in REQUIREMENTS[number]:
        tree = ast.parse((folder / file).read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in functions, f"{file} has no {name}"
