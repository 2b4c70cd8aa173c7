using System.Diagnostics;
using System.Text.Json.Nodes;
using Dnabert2.FineTuning;
using Dnabert2.Server;
using Tests.FineTuning;
using Tests.Weights;

namespace Tests.Server;

/// <summary>
/// The page in Chromium, by Playwright. On request: <c>DNABERT2_BROWSER=1</c>, with Node, npm and <c>/usr/bin/chromium</c> (or
/// <c>CHROMIUM</c>); a folder in its place receives pictures.
/// </summary>
[Trait("Category", "Slow")]
public sealed class BrowserTests
{
    [Fact]
    public async Task The_page_shows_tokens_similarity_classes_and_what_each_base_does()
    {
        string request = Environment.GetEnvironmentVariable("DNABERT2_BROWSER") ?? "";
        Assert.SkipWhen(request.Length == 0, "a browser is started on request: DNABERT2_BROWSER=1");
        using var folder = new TempFolder();
        ToyClassifier.Write(folder["model"], TaskKind.SingleLabel, 64, "no", "weak", "strong");
        await using RunningServer server = await RunningServer.Start(new ServerOptions { ApiKey = "key" }, folder["model"]);
        foreach (string file in Directory.EnumerateFiles(Path.Combine(SharedData.Checkout, "tests", "Server", "browser")))
            File.Copy(file, folder[Path.GetFileName(file)]);
        await Run(folder["."], "npm", "ci", "--no-audit", "--no-fund");
        string pictures = Directory.Exists(request) ? request : folder["."];
        JsonNode seen = JsonNode.Parse(
            await Run(folder["."], "node", "page.mjs", server.Client.BaseAddress!.ToString(), pictures, "key"))!;

        Assert.Empty(seen["errors"]!.AsArray());
        Assert.All(seen["requests"]!.AsArray(), url => Assert.StartsWith(server.Client.BaseAddress.ToString(), (string)url!));
        Assert.Equal(3, seen["tokens"]!.AsArray().Count);
        Assert.Matches(@"^a<b>bold</b>: \d+ tokens of 22 bases$", (string)seen["tokens"]![0]!);
        Assert.Equal(0, (int)seen["bold"]!);
        Assert.Equal(9, seen["similarity"]!.AsArray().Count);
        Assert.Equal("1.000", (string)seen["similarity"]![4]!);
        Assert.Equal(9, seen["classes"]!.AsArray().Count);
        Assert.Equal(1, seen["classes"]!.AsArray().Take(3).Sum(p => double.Parse((string)p!)), 1e-3);
        Assert.Equal("ACGTTGCATTGACCATGCAAGC", (string)seen["bases"]!);
        Assert.Equal(4 * 22, (int)seen["coloured"]!);
        Assert.StartsWith("The change of the probability of class no by each substitution", (string)seen["note"]!);
        Assert.StartsWith("inputs[0] has 'E' at place 4", (string)seen["status"]!);
        Assert.True(File.Exists(Path.Combine(pictures, "page.png")));
    }

    private static async Task<string> Run(string folder, string program, params string[] args)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, args)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(2));
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{program}: {output}{await error}");
        return output;
    }
}
