using System.Diagnostics;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Dnabert2.Tool;
using Dnabert2.Tool.Verbs;
using Tests.Weights;

namespace Tests.Tools.Pieces;

/// <summary>The workflows of <c>tools/workflows</c>, with what there is to run them.</summary>
[Trait("Category", "Slow")]
public partial class WorkflowTests
{
    private static string Folder { get; } = Path.Combine(SharedData.Checkout, "tools", "workflows");

    [Fact]
    public void Snakemake_embeds_a_genome_and_scores_a_vcf_in_pieces()
    {
        Assert.SkipUnless(Has("snakemake"), "snakemake is not installed");
        using var folder = new TempFolder();
        File.Copy(ToyModel.SamplePath, folder["genome.fa"]);
        File.Copy(Path.ChangeExtension(ToyModel.SamplePath, ".vcf"), folder["variants.vcf"]);
        string tool = folder.Write("dnabert2", System.Text.Encoding.UTF8.GetBytes($"#!/bin/sh\nexec dotnet '{ToolRun.Program}' \"$@\"\n"));
        Shell(folder["."], "chmod +x dnabert2");
        string snakemake = $"snakemake -s '{Folder}/snakemake/Snakefile' --cores 2 --config genome=genome.fa vcf=variants.vcf "
            + $"shards=3 window=64 step=32 options='--batch-tokens 4' dnabert2='{tool}'";
        Shell(folder["."], snakemake);
        // The same without pieces.
        ToolRun.Of("index", folder["genome.fa"]).Succeeds();
        string[] both = ["--model", "default", "--device", "cpu", "--batch-tokens", "4"];
        ToolRun.Of(["embed", folder["genome.fa"], "--window", "64", "--step", "32", .. both, "-o", folder["windows.parquet"]]).Succeeds();
        ToolRun.Of(["variants", folder["variants.vcf"], "-g", folder["genome.fa"], .. both, "-o", folder["variants.tsv"]]).Succeeds();
        foreach (string name in (string[])["windows.parquet", "variants.tsv", "variants.tsv.provenance.json"])
            Assert.Equal(File.ReadAllBytes(folder[name]), File.ReadAllBytes(folder["results/" + name]));
        Assert.True(File.Exists(folder["results/windows.3-of-3.parquet.shard.json"]));
    }

    [Fact]
    public void The_script_for_slurm_writes_the_piece_of_its_task()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "a script of bash");
        using var folder = new TempFolder();
        string line = $"bash '{Folder}/slurm/shards.sbatch' embed '{ToyModel.SamplePath}' --device cpu -o x.npy";
        string variables = $"export DNABERT2=\"dotnet {ToolRun.Program}\" SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=2 "
            + "SLURM_ARRAY_TASK_COUNT=3";
        Shell(folder["."], $"{variables}\nSLURM_ARRAY_TASK_ID=0 {line}\n"
            + $"SLURM_ARRAY_TASK_ID=2 {line}\nSHARDS=3 SLURM_ARRAY_TASK_ID=2 {line}");
        Assert.Equal(
            ["x.1-of-3.npy.shard.json", "x.2-of-3.npy.shard.json", "x.3-of-3.npy.shard.json"],
            folder.Names.Where(name => name.EndsWith(".shard.json", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_is_handed_to_slurm_is_an_array_and_a_job_that_joins_its_pieces()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "a script of bash");
        using var folder = new TempFolder();
        folder.Write("sbatch", "#!/bin/bash\nprintf '%s|' \"SHARDS=$SHARDS\" \"$@\" >> said\necho >> said\necho 42\n"u8);
        Shell(
            folder["."], $"chmod +x sbatch\nPATH=\"$PWD:$PATH\" bash '{Folder}/slurm/submit.sh' 4 embed a.fa --window 9 -o 'my out/x.npy'");
        Assert.Equal(
            [
                $"SHARDS=4|--parsable|--export=ALL|--array=1-4|{Folder}/slurm/shards.sbatch|embed|a.fa|--window|9|-o|my out/x.npy|",
                "SHARDS=|--parsable|--dependency=afterok:42|--job-name=dnabert2-merge|--wrap|"
                    + @"dnabert2 merge my\ out/x.*-of-4.npy -o my\ out/x.npy|",
            ], File.ReadAllLines(folder["said"]));
    }

    [Fact]
    public void The_tool_of_galaxy_is_well_formed_and_names_its_parameters()
    {
        XElement tool = XDocument.Load(Path.Combine(Folder, "galaxy", "dnabert2_embed.xml")).Root!;
        Assert.Equal(("tool", "dnabert2_embed"), (tool.Name.LocalName, (string?)tool.Attribute("id")));
        string command = tool.Element("command")!.Value;
        foreach (XElement parameter in tool.Descendants("param").Where(p => p.Ancestors("inputs").Any()))
        {
            string name = (string?)parameter.Attribute("name") ?? ((string)parameter.Attribute("argument")!).TrimStart('-');
            Assert.Matches($@"\$(windows\.)?{name}\b", command);
        }

        foreach (XElement output in tool.Descendants("data"))
            Assert.Contains($"'${(string?)output.Attribute("name")}'", command, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_in_workflows_are_those_of_the_verbs()
    {
        var terminal = new Terminal { Input = Stream.Null, Output = Stream.Null, Error = TextWriter.Null };
        Dictionary<string, HashSet<string>> verbs = CommandLineTool.Commands(terminal, new("--debug")).Subcommands.Cast<Verb>()
            .ToDictionary(verb => verb.Name, verb => verb.Options.SelectMany(option => option.Aliases.Append(option.Name)).ToHashSet());
        int found = 0;
        foreach (string path in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories)
            .Where(path => Path.GetExtension(path) is ".xml" or ".nf" or "" or ".md"))
            foreach (Match line in CommandLine().Matches(File.ReadAllText(path)))
                foreach (Match option in Option().Matches(line.Groups[2].Value))
                {
                    found++;
                    string verb = line.Groups[1].Value;
                    Assert.True(verbs[verb].Contains(option.Value), $"{path}: {verb} has no {option.Value}");
                }

        Assert.True(found > 15, $"{found} options were found");
    }

    // Up to the end of the text of a command: a quote with a comma or a line end, a fence, a CDATA.
    [GeneratedRegex(@"(?:dnabert2|\{TOOL\}) (embed|variants|merge|index)\b(.*?)(?:\n\s*\n|\n\s*rule|\]\]>|`)", RegexOptions.Singleline)]
    private static partial Regex CommandLine();

    [GeneratedRegex(@"(?<=[\s\[""'])--?[a-z][a-z-]*")]
    private static partial Regex Option();

    private static bool Has(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, program)));

    private static void Shell(string folder, string line)
    {
        var start = new ProcessStartInfo("bash") { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true };
        start.ArgumentList.Add("-ec");
        start.ArgumentList.Add(line);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{line}\n{error}{output.Result}");
    }
}
