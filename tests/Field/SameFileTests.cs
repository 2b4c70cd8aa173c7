using System.Diagnostics;
using System.Text;
using Dnabert2.FineTuning;
using Tests.Files;
using Tests.FineTuning;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Commands whose result would replace what it is made from, under another name.</summary>
public class SameFileTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const string Links = "links are made as on Unix";

    public static TheoryData<string, string> Commands => new()
    {
        { "input.tsv", "embed input.tsv --model MODEL -o OUT" },
        { "x.ids.tsv", "embed x.ids.tsv --model MODEL -o x.npy" },
        { "model/model.safetensors", "embed input.tsv --model model -o OUT" },
        { "input.tsv", "predict input.tsv --model run -o OUT" },
        { "run/config.json", "tokenize input.tsv --tokenizer run -o OUT" },
        { "run/tokenizer.json", "tokenize input.tsv --tokenizer run/tokenizer.json -o OUT" },
        { "input.tsv", "tokenize input.tsv --tokenizer TOKENIZER -o OUT" },
        { "variants.tsv", "variants variants.tsv -g genome.fa --model MODEL -o OUT" },
        { "genome.tsv", "variants variants.tsv -g genome.tsv --model MODEL -o OUT" },
        { "input.tsv", "attribute input.tsv --model MODEL -o OUT" },
        { "input.svg", "attribute input.svg --model MODEL -o x.tsv --picture OUT" },
        { "model/model.safetensors", "convert model/model.safetensors -o OUT" },
        { "genome.fa", "train-tokenizer input.tsv genome.fa -o OUT" },
    };

    [Theory]
    [MemberData(nameof(Commands))]
    public void An_input_is_not_replaced_by_whatever_name_it_is_given_as_output(string input, string command)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), Links);
        using var folder = new TempFolder();
        Fill(folder);
        string extension = Path.GetExtension(input);
        Directory.CreateSymbolicLink(folder["linked"], ".");
        File.CreateSymbolicLink(folder["link" + extension], input);
        Shell.Run(folder["."], $"ln '{input}' 'hard{extension}'");
        string[] before = folder.Names;
        byte[] contents = File.ReadAllBytes(folder[input]);
        string link = "link" + extension, hard = "hard" + extension;
        foreach (string output in (string[])[input, $"./{input}", $"linked/{input}", link, "linked/" + link, hard])
        {
            string[] args = [.. command.Split(' ').Select(word => word switch
            {
                "MODEL" => toy.Folder,
                "TOKENIZER" => ToyModel.TokenizerPath,
                "OUT" => folder[output],
                _ => word.Contains('.', StringComparison.Ordinal) || word is "model" or "run" ? folder[word] : word,
            })];
            ToolRun run = ToolRun.Of(args);
            bool refused = run.Code == 2 && run.Error.Contains("this is ", StringComparison.Ordinal);
            Assert.True(refused, $"{command}, {output}: {run.Code} {run.Error}");
            Assert.Equal(contents, File.ReadAllBytes(folder[input]));
            Assert.Equal(before, folder.Names);
        }
    }

    [Fact]
    public void A_link_to_the_input_is_not_written_through_of_the_case()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), Links);
        _ = SharedData.Path("cases/r-05-symlinked-input-overwritten");
        using var folder = new TempFolder();
        const string text = "id\tsequence\na\tACGTACGTACGT\n";
        folder.Write("in.tsv", Encoding.ASCII.GetBytes(text));
        File.CreateSymbolicLink(folder["link.tsv"], "in.tsv");
        ToolRun run = ToolRun.Of("train-tokenizer", folder["link.tsv"], "-o", folder["in.tsv"], "--vocab-size", "12", "-q");
        Assert.Equal(2, run.Code);
        Assert.Contains($"-o {folder["in.tsv"]}: this is the input", run.Error, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(folder["in.tsv"]));
    }

    [Fact]
    public void Standard_input_and_output_are_known_as_the_files_they_are_of()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), Links);
        using var folder = new TempFolder();
        folder.Write("in", "ACGT\n"u8);
        string tokenize = $"dotnet '{ToolRun.Program}' tokenize --tokenizer '{ToyModel.TokenizerPath}'";
        Shell.Run(folder["."], $"{tokenize} - -o in < in 2>first; test $? = 2 && {tokenize} in >> in 2>second; test $? = 2");
        Assert.Equal("ACGT\n", File.ReadAllText(folder["in"]));
        Assert.Contains("-o in: this is the input", File.ReadAllText(folder["first"]), StringComparison.Ordinal);
        Shell.Run(folder["."], $"{tokenize} /dev/stdin -o in < in 2>third; test $? = 2 && cat in | {tokenize} /dev/stdin -o out");
        Assert.StartsWith("[CLS] ", File.ReadAllText(folder["out"]));
        Shell.Run(folder["."], $"{tokenize} in -o /dev/stdout > out 2>fourth; test $? = 1 && test ! -s out");
        Assert.Contains("what a process has open", File.ReadAllText(folder["fourth"]), StringComparison.Ordinal);
        Assert.Equal("ACGT\n", File.ReadAllText(folder["in"]));
        Assert.Contains("standard output is appended to the input in", File.ReadAllText(folder["second"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Two_outputs_of_a_command_that_are_one_file_are_refused()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), Links);
        using var folder = new TempFolder();
        Fill(folder);
        File.Delete(folder["x.ids.tsv"]);
        File.CreateSymbolicLink(folder["x.ids.tsv"], "x.npy");
        File.CreateSymbolicLink(folder["y.svg"], "y.tsv");
        string[] before = folder.Names;
        Refused("embed", folder["input.tsv"], "--model", toy.Folder, "-o", folder["x.npy"]);
        Refused("attribute", folder["input.tsv"], "--model", toy.Folder, "-o", folder["y.tsv"], "--picture", folder["y.svg"]);
        Assert.Equal(before, folder.Names);

        static void Refused(params string[] args)
        {
            ToolRun run = ToolRun.Of(args);
            Assert.Equal(2, run.Code);
            Assert.Contains("this is what -o", run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_result_may_be_put_into_the_folder_of_the_model_and_replaced_there()
    {
        using var folder = new TempFolder();
        Fill(folder);
        foreach (string name in (string[])["x.npy", "x.tsv"])
            for (int i = 0; i < 2; i++)
                ToolRun.Of("embed", folder["input.tsv"], "--model", folder["model"], "-o", folder["model/" + name]).Succeeds();
    }

    [Fact]
    public void Devices_and_pipes_stay_what_they_are()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "pipes and devices are those of Unix");
        using var folder = new TempFolder();
        Shell.Run(folder["."], "mkfifo pipe pipe.tsv pipe.safetensors pipe.svg");
        Fill(folder);
        string input = folder["input.tsv"];
        Refused("a device", "tokenize", input, "--tokenizer", ToyModel.TokenizerPath, "-o", "/dev/null");
        Refused("a pipe", "tokenize", input, "--tokenizer", ToyModel.TokenizerPath, "-o", folder["pipe"]);
        Refused("a device", "train-tokenizer", input, "-o", "/dev/full");
        Refused("a pipe", "embed", input, "--model", toy.Folder, "-o", folder["pipe.tsv"]);
        Refused("a pipe", "attribute", input, "--model", toy.Folder, "-o", folder["x.tsv"], "--picture", folder["pipe.svg"]);
        Refused("a pipe", "convert", folder["model"], "-o", folder["pipe.safetensors"]);
        foreach (string pipe in (string[])["pipe", "pipe.tsv", "pipe.safetensors", "pipe.svg"]) Shell.Run(folder["."], $"test -p {pipe}");
        Shell.Run(folder["."], "test -c /dev/null && test -c /dev/full");

        static void Refused(string what, params string[] args)
        {
            ToolRun run = ToolRun.Of(args);
            Assert.Equal(1, run.Code);
            Assert.Contains($"this is {what}", run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_former_result_of_two_files_stays_whole_where_one_of_them_cannot_be_replaced()
    {
        _ = SharedData.Path("cases/r-04-embed-failed-commit");
        bool isRoot = OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess;
        Assert.SkipUnless(isRoot, "only the administrator of Linux can make a file immutable");
        using var folder = new TempFolder();
        Fill(folder);
        string[] embed = ["embed", folder["input.tsv"], "--model", toy.Folder, "-o", folder["x.npy"], "-q"];
        ToolRun.Of(embed).Succeeds();
        byte[][] before = [File.ReadAllBytes(folder["x.npy"]), File.ReadAllBytes(folder["x.ids.tsv"])];
        string[] names = folder.Names;
        embed[1] = ToyModel.SamplePath;
        foreach (string name in (string[])["x.npy", "x.ids.tsv"])
        {
            string made = Shell.Run(folder["."], $"chattr +i {name} 2>&1 && echo made || true");
            Assert.SkipWhen(made != "made", "this disk has no immutable files");
            try
            {
                Assert.Equal(1, ToolRun.Of(embed).Code);
                Assert.Equal(before, [File.ReadAllBytes(folder["x.npy"]), File.ReadAllBytes(folder["x.ids.tsv"])]);
                Assert.Equal(names, folder.Names);
            }
            finally
            {
                Shell.Run(folder["."], $"chattr -i {name}");
            }
        }
    }

    [Fact]
    public void What_a_killed_process_left_is_removed_by_the_next_one_and_a_living_one_keeps_its_files()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "processes are killed as on Unix");
        using var folder = new TempFolder();
        Fill(folder);
        string[] before = folder.Names;
        string[] embed = ["embed", "-", "--model", toy.Folder, "-o", folder["x.npy"]];
        using Process killed = Begin();
        killed.Kill();
        ToolRun.Await(killed);
        Assert.Equal(2, folder.Names.Except(before).Count());
        using Process living = Begin();
        Assert.Equal(2, folder.Names.Except(before).Count());
        ToolRun.Of(">b\nACGTACGT\n", embed).Succeeds();
        Assert.Equal(1, new Npy(folder["x.npy"]).Rows);
        living.StandardInput.Write("ACGT\n>c\nACGT\n");
        living.StandardInput.Close();
        ToolRun.Await(living);
        Assert.Equal((0, 2), (living.ExitCode, new Npy(folder["x.npy"]).Rows));
        Assert.Equal([.. before.Append("x.npy").Append("x.npy.provenance.json").Order(StringComparer.Ordinal)], folder.Names);

        Process Begin()
        {
            string[] there = folder.Names;
            Process process = ToolRun.Start(embed);
            process.StandardInput.Write(">a\nACGT\n");
            process.StandardInput.Flush();
            var waited = Stopwatch.StartNew();
            while (!folder.Names.Except(there).Skip(1).Any() && waited.Elapsed < TimeSpan.FromMinutes(1)) Thread.Sleep(20);
            return process;
        }
    }

    private static void Fill(TempFolder folder)
    {
        folder.Write("input.tsv", "id\tsequence\na\tACGTACGTACGT\n"u8);
        folder.Write("input.svg", "id\tsequence\na\tACGTACGTACGT\n"u8);
        folder.Write("x.ids.tsv", "id\tsequence\na\tACGTACGTACGT\n"u8);
        folder.Write("genome.fa", ">one\nGATTACAGATTACAGATTACA\n"u8);
        folder.Write("genome.tsv", ">one\nGATTACAGATTACAGATTACA\n"u8);
        folder.Write("variants.tsv", "chrom\tpos\tref\talt\none\t8\tG\tC\n"u8);
        ToyModel.Write(folder["model"]);
        ToyClassifier.Write(folder["run"], TaskKind.SingleLabel, 20, "0", "1");
    }
}
