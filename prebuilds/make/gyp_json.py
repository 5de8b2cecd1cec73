"""A generator for gyp that prints the target as JSON: what is built, with which flags, evaluated by
gyp itself from cpp/binding.gyp, so that no second list of sources exists.

    cd cpp; gyp_main.py binding.gyp --depth=. -f ../prebuilds/make/gyp_json.py -DOS=linux -Dtarget_arch=arm64
"""

import json

# Names that gyp expands in every file; none of them means anything for a list of sources.
generator_default_variables = {
    name: ""
    for name in (
        "CONFIGURATION_NAME",
        "EXECUTABLE_PREFIX",
        "EXECUTABLE_SUFFIX",
        "INTERMEDIATE_DIR",
        "LIB_DIR",
        "PRODUCT_DIR",
        "RULE_INPUT_DIRNAME",
        "RULE_INPUT_EXT",
        "RULE_INPUT_NAME",
        "RULE_INPUT_PATH",
        "RULE_INPUT_ROOT",
        "SHARED_INTERMEDIATE_DIR",
        "SHARED_LIB_DIR",
        "SHARED_LIB_PREFIX",
        "SHARED_LIB_SUFFIX",
        "STATIC_LIB_PREFIX",
        "STATIC_LIB_SUFFIX",
    )
}


def GenerateOutput(target_list, target_dicts, data, params):
    [target] = target_list
    print(json.dumps(target_dicts[target], indent=2))
