"""`blocks completion`: the lines that make a shell complete commands and options."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from blocks.cli import output

app = typer.Typer(add_completion=False, rich_markup_mode=None)
# The shell asks `blocks` itself, through this variable, so what it offers is never older than the commands.
_VARIABLE: Final = "_BLOCKS_COMPLETE"


class Shell(StrEnum):
    """The shells that can be served."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_SCRIPTS: Final = {
    Shell.BASH: f"""\
# For bash. Once: eval "$(blocks completion bash)"; always: add that line to ~/.bashrc.
_blocks_completion() {{
    local IFS=$'\\n'
    COMPREPLY=($(COMP_WORDS="${{COMP_WORDS[*]}}" COMP_CWORD=$COMP_CWORD {_VARIABLE}=complete_bash "$1"))
}}
complete -o default -F _blocks_completion blocks""",
    Shell.ZSH: f"""\
#compdef blocks
# For zsh. Once: eval "$(blocks completion zsh)"; always: add that line to ~/.zshrc, after compinit.
_blocks_completion() {{
    eval $(_TYPER_COMPLETE_ARGS="${{words[1,$CURRENT]}}" {_VARIABLE}=complete_zsh blocks)
}}
compdef _blocks_completion blocks""",
    Shell.FISH: f"""\
# For fish. Always: blocks completion fish > ~/.config/fish/completions/blocks.fish
function _blocks_completion
    env {_VARIABLE}=complete_fish _TYPER_COMPLETE_FISH_ACTION=$argv[1] \\
        _TYPER_COMPLETE_ARGS=(commandline -cp) blocks
end
complete --command blocks --no-files --arguments "(_blocks_completion get-args)" \\
    --condition "_blocks_completion is-args" """.rstrip(),
}


@app.command()
def print_script(shell: Annotated[Shell, typer.Argument(help="Whose lines to print.")]) -> None:
    """Print the lines that make a shell complete commands; their comment says where to put them."""
    output.print_result(_SCRIPTS[shell])
