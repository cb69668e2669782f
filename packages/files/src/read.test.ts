import { execFileSync } from "node:child_process";
import { statSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { scratchFolder } from "@tessera/testing";
import { makeFolder, parseJson, readJson, readText } from "./index.js";

const at = scratchFolder("read");

describe("what is read from anywhere", () => {
  test("is without a byte order mark", () => {
    writeFileSync(at("marked.json"), '\ufeff{"a": "\ufeff"}');
    expect(readJson(at("marked.json"), 100)).toEqual({ a: "\ufeff" });
    writeFileSync(at("marked.txt"), "\ufefftext");
    expect(readText(at("marked.txt"), 100)).toBe("text");
  });

  test("is found behind links", () => {
    writeFileSync(at("blob"), "text");
    symlinkSync("blob", at("link"));
    symlinkSync("link", at("again"));
    expect(readText(at("again"), 4)).toBe("text");
  });

  test("does not wait for a pipe, nor read a device, a folder, or other bytes than text", () => {
    execFileSync("mkfifo", [at("pipe")]);
    writeFileSync(at("latin"), Uint8Array.of(0x63, 0xe9));
    symlinkSync("pipe", at("to-pipe"));
    const reasons = [at("pipe"), at("to-pipe"), "/dev/zero", at("."), at("latin"), at("none")].map(
      (path) => {
        try {
          return readText(path, 100);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
          return (error as UserError).message.replace(`${path}: `, "");
        }
      },
    );
    expect(reasons).toEqual([
      ...["is not a regular file, check the path", "is not a regular file, check the path"],
      ...["is not a regular file, check the path", "is a folder, check the path"],
      ...["is not UTF-8", "cannot be read (ENOENT), check the path"],
    ]);
  });

  test.each([
    ["nested", "[".repeat(300) + "]".repeat(300), /is nested more than 200 deep/],
    ["of many values", `[${"0,".repeat(2 ** 24 + 1)}0]`, /has more than 16777216 values/],
    ["of many lists", `[${"[],".repeat(2 ** 22)}0]`, /or 4194304 lists/],
  ])("is no JSON that is %s beyond use", (_what, text, reason) => {
    expect(() => parseJson(text, "it")).toThrow(reason);
  });

  test("may have brackets in its strings", () => {
    const text = JSON.stringify({ a: "[".repeat(500), '"]{': `\\"${"{".repeat(500)}` });
    expect(parseJson(text, "it")).toEqual(JSON.parse(text));
  });
});

test("a folder is made with those around it, and a file system that has none of them says so", () => {
  makeFolder(at("a/b/c"));
  makeFolder(at("a/b/c"));
  expect(statSync(at("a/b/c")).isDirectory()).toBe(true);
  expect(() => makeFolder("/proc/none/of/these")).toThrow(/ENOENT/);
});
