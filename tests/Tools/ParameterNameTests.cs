using System.CommandLine;
using Dnabert2.Tool;

namespace Tests.Tools;

public sealed class ParameterNameTests
{
    [Theory]
    [InlineData("embed", "raise MaxTokens, or set OnTooLong = Chunk or OnTooLong = Truncate", "raise --max-tokens, or set --on-too-long "
        + "chunk or --on-too-long truncate")]
    [InlineData("embed", "leave such records out: OnAmbiguous = Drop", "leave such records out: --on-n drop")]
    [InlineData("embed", "a batch of 900 tokens does not fit, 512 would: BatchTokens = 512", "a batch of 900 tokens does not fit, "
        + "512 would: --batch-tokens 512")]
    [InlineData("embed", "in bf16 the GPU needs more; use DType.F32", "in bf16 the GPU needs more; use --dtype f32")]
    [InlineData("embed", "run it on another GPU or on the CPU", "run it on another GPU or on the CPU (--device cpu)")]
    [InlineData("pretrain", "set RepeatBases = 0", "set --repeat-bases 0")]
    [InlineData("pretrain", "Steps is 0: from 1 to 9", "--steps is 0: from 1 to 9")]
    [InlineData("pretrain", "GlobalBatch is 0: from 1 to 9", "--batch is 0: from 1 to 9")]
    [InlineData("pretrain", "LearningRate is NaN: from 0 to 9", "--lr is NaN: from 0 to 9")]
    [InlineData("predict", "batchTokens is 0: from 1 to 9", "--batch-tokens is 0: from 1 to 9")]
    [InlineData("predict", "its own base (baseFolder)", "its own base (--base)")]
    public void What_the_library_says_of_its_parameters_is_said_of_the_options_of_the_verb(string verb, string message, string expected) =>
        Assert.Equal(expected, ParameterNames.Translate(message, Find(verb)));

    [Theory]
    [InlineData("tokenize", "MaxTokens is 2: from 3 to 9")]
    [InlineData("embed", "MaxTokens.fa: there is no such file")]
    [InlineData("embed", "/data/MaxTokens/a.fa, line 3: 'BatchTokens' is no base")]
    [InlineData("embed", "Threads of Output were cut")]
    [InlineData("embed", "a LoRA adapter, float32 and NaN")]
    public void What_is_no_option_of_the_verb_or_no_parameter_stays_as_it_is(string verb, string message) =>
        Assert.Equal(message, ParameterNames.Translate(message, Find(verb)));

    [Fact]
    public void Errors_of_the_tool_name_its_options()
    {
        using var toy = new ToyModel();
        ToolRun run =
            ToolRun.Of(">a\nACGTACGTTTGACCA\n", ["embed", "-", "--model", toy.Folder, "--max-tokens", "3", "--on-too-long", "error"]);
        Assert.Equal(1, run.Code);
        Assert.Contains("raise --max-tokens, or set --on-too-long chunk", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_option_that_has_another_name_than_its_parameter_is_one_of_a_verb()
    {
        foreach ((string parameter, string option) in ParameterNames.Others)
            Assert.Contains(Verbs(), verb => ParameterNames.Translate($"{parameter} is 0", verb) == $"{option} is 0");
    }

    private static Command Find(string name) => Verbs().Single(verb => verb.Name == name);

    private static IEnumerable<Command> Verbs() =>
        CommandLineTool.Commands(
            new Terminal { Input = Stream.Null, Output = Stream.Null, Error = TextWriter.Null }, new Option<bool>("--debug")).Subcommands;
}
