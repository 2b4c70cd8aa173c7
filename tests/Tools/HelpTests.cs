using System.CommandLine;
using Dnabert2.Tool;

namespace Tests.Tools;

public sealed class HelpTests
{
    [Fact]
    public void The_list_of_verbs_has_each_once_in_one_short_line_under_what_it_is_for()
    {
        string[] lines = ToolRun.Of("--help").Succeeds().Text.Split('\n');
        Assert.All(lines, line => Assert.True(line.Length <= 80, line));
        Assert.True(lines.Length < 35, $"{lines.Length} lines");
        RootCommand root = CommandLineTool.Commands(
            new Terminal { Input = Stream.Null, Output = Stream.Null, Error = TextWriter.Null }, new Option<bool>("--debug"));
        Assert.NotEmpty(root.Subcommands);
        foreach (Command verb in root.Subcommands)
            Assert.Single(
                lines, line => line.StartsWith($"  {verb.Name} ", StringComparison.Ordinal) && line.Trim().Length > verb.Name.Length + 8);
        Assert.Equal(
            ["Use", "embed", "predict", "tokenize", "merge", "convert", "export", "Train", "pretrain", "finetune", "train-tokenizer",
                "merge-lora", "Understand", "attribute", "attention", "variants", "index", "info", "Measure", "bench", "evaluate",
                "Options", "--version", "--debug"],
            lines.Skip(3).Where(line => line.Trim().Length > 0).Select(line => line.Trim().Split(' ')[0]));
    }

    [Fact]
    public void A_verbs_help_says_what_the_list_leaves_out_and_the_version_is_told()
    {
        string help = ToolRun.Of("embed", "--help").Succeeds().Text;
        Assert.Contains("With --pooling none there is one for each token", help.ReplaceLineEndings(" "), StringComparison.Ordinal);
        Assert.Matches(@"^\d+\.\d+\.\d+", ToolRun.Of("--version").Succeeds().Text);
        Assert.Equal(2, ToolRun.Of().Code);
    }
}
